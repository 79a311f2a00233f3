package record

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// purgeBatch is how many versions go in one Apply.
const purgeBatch = 200

// Purge says which versions are to be removed for good. What is current stays, but for the
// delete markers that Deleted is about.
type Purge struct {
	Key    fhir.Key    // of one resource; without, of all of Types
	Types  []fhir.Type // nil: all that there are records of
	Before time.Time   // versions whose successor was made before; required
	// Deleted are resources that were deleted before: they go with all their versions
	// and the delete marker, as if they had never been.
	Deleted bool
	DryRun  bool // count only
	// Progress, when given, is called after each batch with what is removed, or counted, so far.
	Progress func(Purged)
}

// Purged is what a purge removed.
type Purged struct {
	Versions  int64 // old ones, and those of deleted resources
	Resources int64 // deleted ones, of which nothing is left
}

// Purge removes versions. It may run while others read and write, and be run again after it
// was broken off: of each resource, the oldest versions go first. The Purged beside an error
// is what is gone already.
func (r *Repository) Purge(ctx context.Context, p Purge) (Purged, error) {
	var sum Purged
	if p.Before.IsZero() {
		return sum, errors.New("record: a purge needs a time")
	}
	types := p.Types
	switch {
	case p.Key.Type != "":
		types = []fhir.Type{p.Key.Type}
	case types == nil:
		var err error
		if types, err = r.kept(ctx); err != nil {
			return sum, err
		}
	}
	old := func(n int64) { sum.Versions += n; p.tell(sum) }
	all := func(n int64) { sum.Resources += n; old(n) }
	for _, t := range types {
		if err := r.purgeOld(ctx, t, p, old); err != nil {
			return sum, err
		}
		if !p.Deleted {
			continue
		}
		// All versions before such a delete marker are gone by now.
		if err := r.remove(ctx, collection(t), gone(p), p.DryRun, func(store.Doc) (bool, error) { return true, nil }, all); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

func (p *Purge) tell(sum Purged) {
	if p.Progress != nil {
		p.Progress(sum)
	}
}

// gone are the delete markers that a purge removes.
func gone(p Purge) store.Filter {
	where := store.And{
		store.Eq{Path: fieldDeleted, Value: store.V(true)},
		store.Range{Path: fieldUpdated, High: &store.Bound{Value: instant(p.Before)}},
	}
	if p.Key.ID != "" {
		where = append(where, store.Eq{Path: fieldID, Value: store.String(p.Key.ID)})
	}
	return where
}

// purgeOld removes versions that have a successor.
func (r *Repository) purgeOld(ctx context.Context, t fhir.Type, p Purge, removed func(int64)) error {
	ended := store.Or{store.Range{Path: fieldEnded, High: &store.Bound{Value: instant(p.Before)}}, store.Exists{Path: fieldEnded}}
	where := store.And{ended}
	if p.Key.ID != "" {
		where = append(where, versionsOf(p.Key.ID))
	}
	return r.remove(ctx, historyCollection(t), where, p.DryRun, func(doc store.Doc) (bool, error) {
		if _, ok := doc.Lookup(fieldEnded).DateTimeOK(); ok {
			return true, nil
		}
		return r.replaced(ctx, t, doc, p.Before)
	}, removed)
}

// replaced reports whether a version that does not say when it ended had a successor before
// then.
func (r *Repository) replaced(ctx context.Context, t fhir.Type, doc store.Doc, before time.Time) (bool, error) {
	name, _ := store.ID(doc).StringValueOK()
	id, _, _ := strings.Cut(name, "/")
	number, ok := doc.Lookup(fieldVersion).AsInt64OK()
	if !ok {
		return false, fmt.Errorf("record: purge: %w: a version of %s without its number", store.ErrCorrupt, t)
	}
	next, err := r.find(ctx, historyCollection(t), historyID(id, number+1))
	if err == nil && next.number == 0 {
		next, err = r.find(ctx, collection(t), id)
	}
	return next.number > number && next.updated.Before(before), err
}

// versionsOf are the documents in the history of one resource.
func versionsOf(id string) store.Filter {
	return store.Range{
		Path: fieldID,
		Low:  &store.Bound{Value: store.String(id + "/")},
		High: &store.Bound{Value: store.String(id + "0")}, // the byte behind the slash
	}
}

// remove deletes the documents of a collection that are meant, in the order of their ids,
// and says after each batch how many those were.
func (r *Repository) remove(ctx context.Context, from string, where store.Filter, dry bool, meant func(store.Doc) (bool, error), removed func(int64)) error {
	q := store.Query{Collection: from, Where: where, Order: []store.Key{{Path: fieldID}}, Limit: purgeBatch, Fields: []string{fieldEnded, fieldVersion}}
	for {
		var ops []store.Op
		read := 0
		for doc, err := range r.Store.Find(ctx, q) {
			if err != nil {
				return fault("purge", err)
			}
			read++
			q.After = store.Cursor{store.ID(doc)}
			ok, err := meant(doc)
			if err != nil {
				return err
			}
			if ok {
				// A delete marker stays when its resource was revived meanwhile.
				ops = append(ops, store.Op{Kind: store.Delete, Collection: from, ID: store.ID(doc), If: store.Eq{Path: fieldVersion, Value: doc.Lookup(fieldVersion)}})
			}
		}
		n, err := r.apply(ctx, ops, dry)
		if err != nil {
			return err
		}
		if removed(n); read < purgeBatch {
			return nil
		}
	}
}

// apply removes documents, leaving out those that somebody else was faster with, and says how many it did.
func (r *Repository) apply(ctx context.Context, ops []store.Op, dry bool) (int64, error) {
	for !dry && len(ops) > 0 {
		err := r.Store.Apply(ctx, ops)
		var at *store.OpError
		switch {
		case err == nil:
			return int64(len(ops)), nil
		case errors.Is(err, store.ErrConflict) && errors.As(err, &at) && at.Index >= 0 && at.Index < len(ops):
			ops = append(ops[:at.Index:at.Index], ops[at.Index+1:]...)
		default:
			return 0, fault("purge", err)
		}
	}
	return int64(len(ops)), nil
}
