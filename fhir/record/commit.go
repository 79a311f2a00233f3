package record

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// maxAttempts bounds how often a commit starts over because another writer was
// faster. Each time at least one other commit succeeded.
const maxAttempts = 100

// Commit carries out the changes in one Apply (R4 3.1.0.4 to 3.1.0.8). Two
// changes to one resource are CodeInvalid. A change without a precondition that
// meets another writer is carried out on top of what that one wrote.
func (r *Repository) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	types, err := check(changes)
	if err != nil {
		return nil, err
	}
	if err := r.index(ctx, types); err != nil {
		return nil, err
	}
	moved := make(map[string]bool)
	if err := r.indexReservations(ctx, changes); err != nil {
		return nil, err
	}
	for attempt := range maxAttempts {
		if err := pause(ctx, attempt); err != nil {
			return nil, err
		}
		p := plan{now: r.now(), newID: r.newID, index: r.indexer(), moved: moved}
		if err := r.reserve(ctx, &p, changes); err != nil {
			return nil, err
		}
		if err := r.plan(ctx, &p, changes); err != nil {
			return nil, err
		}
		if len(p.ops) == 0 {
			return p.results, nil
		}
		err := r.Store.Apply(ctx, p.ops)
		switch {
		case err == nil:
			return p.results, nil
		case !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists):
			return nil, fault("commit", err)
		}
		p.note(err)
	}
	return nil, fhir.Errorf(fhir.CodeTransient, "", "Too many others are changing the same resource. Try again later.")
}

// check refuses what no state of the store could make right, and lists the
// types that are written.
func check(changes []fhir.Change) ([]fhir.Type, error) {
	seen := make(map[fhir.Key]bool, len(changes))
	conditions := make(map[string]bool)
	written := make(map[fhir.Type]bool)
	var types []fhir.Type
	for _, c := range changes {
		switch {
		case !c.Key.Type.Valid():
			return nil, fhir.Errorf(fhir.CodeNotFound, "", "There is no resource type %q.", c.Key.Type)
		case !fhir.ValidID(c.Key.ID) && (c.Method != fhir.Create || c.Key.ID != ""):
			return nil, fhir.Errorf(fhir.CodeInvalid, "", "The id must be 1 to 64 letters, digits, '-' or '.'.")
		case c.Key.ID != "" && seen[c.Key]:
			return nil, fhir.Errorf(fhir.CodeInvalid, "", "%s is changed twice in one request.", c.Key)
		case c.IfNoneExist != nil && c.Method == fhir.Delete:
			return nil, fhir.Errorf(fhir.CodeInvalid, "", "Only a creation can depend on that nothing meets a condition.")
		case c.IfNoneExist != nil && conditions[c.IfNoneExist.Name]:
			return nil, fhir.Errorf(fhir.CodeInvalid, "", "Two creations in one request depend on the same condition.")
		}
		if c.IfNoneExist != nil {
			conditions[c.IfNoneExist.Name] = true
		}
		seen[c.Key] = true
		if !written[c.Key.Type] {
			written[c.Key.Type] = true
			types = append(types, c.Key.Type)
		}
	}
	return types, nil
}

// pause lets others finish before a further attempt.
func pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return nil
	}
	window := min(time.Millisecond<<min(attempt-1, 5), 32*time.Millisecond)
	timer := time.NewTimer(rand.N(window))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// index declares the indexes of the types, once each.
func (r *Repository) index(ctx context.Context, types []fhir.Type) error {
	var missing []store.Index
	for _, t := range types {
		if _, ok := r.indexed.Load(t); !ok {
			missing = append(missing, indexes(t)...)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := r.Store.Ensure(ctx, missing); err != nil {
		return fault("declare indexes", err)
	}
	if err := r.listTypes(ctx, types); err != nil {
		return err
	}
	for _, t := range types {
		r.indexed.Store(t, true)
	}
	return nil
}

// indexes are those of one type. The date stands behind
// the entry, so that what has an entry is found from the newest to the oldest.
func indexes(t fhir.Type) []store.Index {
	collection := collection(t)
	return []store.Index{
		{Collection: historyCollection(t), Name: "lastUpdated", Keys: []store.Key{{Path: fieldUpdated}, {Path: fieldOwner}, {Path: fieldID}}},
		{Collection: collection, Name: "lastUpdated", Keys: []store.Key{{Path: fieldUpdated}, {Path: fieldID}}},
		{Collection: collection, Name: "deleted", Keys: []store.Key{{Path: fieldDeleted}}, Sparse: true},
		{Collection: collection, Name: "date", Keys: byDate(true)},
		{Collection: collection, Name: "entries", Keys: append([]store.Key{{Path: fieldKeys}}, byDate(true)...)},
	}
}

// plan reads what the changes start from and fills p.
func (r *Repository) plan(ctx context.Context, p *plan, changes []fhir.Change) error {
	current, err := r.currents(ctx, changes)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := p.add(c, current[c.Key]); err != nil {
			return err
		}
	}
	return nil
}

// maxIn bounds the ids of one query.
const maxIn = 500

// currents reads the current versions of all resources that the changes name.
func (r *Repository) currents(ctx context.Context, changes []fhir.Change) (map[fhir.Key]version, error) {
	found := make(map[fhir.Key]version, len(changes))
	if len(changes) == 1 {
		key := changes[0].Key
		v, err := r.current(ctx, key)
		found[key] = v
		return found, err
	}
	ids := make(map[fhir.Type][]store.Value)
	for _, c := range changes {
		if c.Key.ID != "" {
			ids[c.Key.Type] = append(ids[c.Key.Type], store.String(c.Key.ID))
		}
	}
	for t, ids := range ids {
		for len(ids) > 0 {
			n := min(len(ids), maxIn)
			q := store.Query{Collection: collection(t), Where: store.In{Path: fieldID, Values: ids[:n]}}
			for doc, err := range r.Store.Find(ctx, q) {
				if err != nil {
					return nil, fault("read", err)
				}
				id, _ := store.ID(doc).StringValueOK()
				v, err := decode(id, doc)
				if err != nil {
					return nil, fault("read", err)
				}
				found[fhir.Key{Type: t, ID: id}] = v
			}
			ids = ids[n:]
		}
	}
	return found, nil
}
