package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/store"
)

const (
	// reindexID is where a run of Reindex has come to.
	reindexID = "reindex"
	// reindexBatch bounds the documents that are read ahead of one Apply.
	reindexBatch = 200
)

// Reindexed says how far a run has come.
type Reindexed struct {
	Type    fhir.Type // under way
	Records int64     // looked at, since the run started or was taken up again
	Changed int64     // of which had other entries
}

// Reindex makes the entries and the clinical dates of all current records again,
// of some types or, without any, of all. It may run beside a server: a record
// that somebody changes meanwhile has the entries of what was written. Running
// it twice does nothing the second time; one that was broken off goes on where it was.
//
// A store of an older layout is in this version's after a run over all types. No
// older version of Portico may use the store then, or meanwhile.
//
// Progress, when given, is called after each batch. On an error what was done so
// far stays, and is in the result.
func (r *Repository) Reindex(ctx context.Context, types []fhir.Type, progress func(Reindexed)) (Reindexed, error) {
	found, err := readFormat(ctx, r.Store)
	if err != nil {
		return Reindexed{}, err
	}
	switch {
	case found > format:
		return Reindexed{}, newer(found)
	case found > 0 && found < format && len(types) > 0:
		return Reindexed{}, fmt.Errorf("the records in this store have layout %d: all types must be reindexed", found)
	}
	if _, err := r.notice(ctx, 0); err != nil {
		return Reindexed{}, err
	}
	if err := r.prepareParameters(ctx, false); err != nil { // the entries of words may go
		return Reindexed{}, err
	}
	run := reindexing{Repository: r, id: reindexID, names: types, progress: progress}
	if len(types) == 0 {
		run.names = fhir.Types()
	}
	slices.Sort(run.names)
	if err := run.all(ctx); err != nil {
		return run.done, err
	}
	if len(types) == 0 && !r.NoText {
		if err := r.worded(ctx); err != nil {
			return run.done, err
		}
		if _, err := r.renotice(ctx); err != nil {
			return run.done, err
		}
	}
	return run.done, run.finish(ctx, found)
}

// Gently makes a progress function for Reindex and Purge that lets others go first: after each batch
// it rests as long as that took, a second at most, and then calls next.
func Gently[T any](ctx context.Context, next func(T)) func(T) {
	last := time.Now()
	return func(done T) {
		timer := time.NewTimer(min(time.Since(last), time.Second))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		next(done)
		last = time.Now()
	}
}

// oldFields are those of older layouts that are no longer used.
var oldFields = []string{"dt"}

// reindexing is one run.
type reindexing struct {
	*Repository
	id       string // of the document that says how far it is
	extra    string // what it is for, besides
	names    []fhir.Type
	progress func(Reindexed)
	done     Reindexed
	start    fhir.Key // the last record that a run before this one looked at
}

// all goes through the types, from where a run before this one was broken off.
func (r *reindexing) all(ctx context.Context) error {
	if err := r.resume(ctx); err != nil {
		return err
	}
	for _, t := range r.names {
		if t < r.start.Type {
			continue
		}
		if err := r.collection(ctx, t); err != nil {
			return fmt.Errorf("reindex %s: %w", t, err)
		}
	}
	return nil
}

// purpose tells runs apart that would make other entries, or of other types.
func (r *reindexing) purpose() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %s %t%s", format, r.Base, r.location(), r.NoText, r.extra)
	for _, t := range r.names {
		b.WriteString(" " + string(t))
	}
	return b.String()
}

// resume finds where a run for the same purpose was broken off.
func (r *reindexing) resume(ctx context.Context) error {
	q := store.Query{Collection: formatCollection, Where: store.Eq{Path: fieldID, Value: store.String(r.id)}, Limit: 1}
	for doc, err := range r.Store.Find(ctx, q) {
		if err != nil {
			return fault("reindex", err)
		}
		if purpose, _ := doc.Lookup("for").StringValueOK(); purpose != r.purpose() {
			return nil
		}
		typ, _ := doc.Lookup("type").StringValueOK()
		id, _ := doc.Lookup("after").StringValueOK()
		r.start = fhir.Key{Type: fhir.Type(typ), ID: id}
	}
	return nil
}

// collection goes through the records of one type by their ids.
func (r *reindexing) collection(ctx context.Context, t fhir.Type) error {
	r.done.Type = t
	q := store.Query{Collection: collection(t), Order: []store.Key{{Path: fieldID}}, Limit: reindexBatch}
	if r.start.Type == t {
		q.Where = store.Range{Path: fieldID, Low: &store.Bound{Value: store.String(r.start.ID)}}
	}
	for first := true; ; first = false {
		var docs []store.Doc
		for doc, err := range r.Store.Find(ctx, q) {
			if err != nil {
				return fault("reindex", err)
			}
			docs = append(docs, doc)
		}
		if len(docs) == 0 {
			return nil
		}
		if first {
			if err := r.index(ctx, []fhir.Type{t}); err != nil {
				return err
			}
		}
		if err := r.batch(ctx, t, docs); err != nil {
			return err
		}
		if len(docs) < reindexBatch {
			return nil
		}
		q.After = store.Position(q.Order, docs[len(docs)-1])
	}
}

// batch brings some records up to date, and notes how far the run is.
func (r *reindexing) batch(ctx context.Context, t fhir.Type, docs []store.Doc) error {
	// Entries of a parameter that is new by now must not be taken away again.
	if _, err := r.notice(ctx, noticeEvery); err != nil {
		return err
	}
	var ops []store.Op
	for _, doc := range docs {
		op, err := r.entries(t, doc)
		if err != nil {
			return err
		}
		if op != nil {
			ops = append(ops, *op)
		}
	}
	r.done.Records += int64(len(docs))
	if len(ops) > 0 {
		err := r.Store.Apply(ctx, ops)
		switch {
		case errors.Is(err, store.ErrConflict):
			// Somebody was faster with one of them.
			for _, doc := range docs {
				if err := r.single(ctx, t, doc); err != nil {
					return err
				}
			}
		case err != nil:
			return fault("reindex", err)
		}
	}
	r.done.Changed += int64(len(ops))
	if r.progress != nil {
		r.progress(r.done)
	}
	return r.note(ctx, t, docs[len(docs)-1])
}

// single brings one record up to date, as it is by now.
func (r *reindexing) single(ctx context.Context, t fhir.Type, doc store.Doc) error {
	for attempt := range commit.MaxAttempts {
		if err := commit.Pause(ctx, attempt); err != nil {
			return err
		}
		op, err := r.entries(t, doc)
		if err != nil || op == nil {
			return err
		}
		switch err := r.Store.Apply(ctx, []store.Op{*op}); {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrConflict):
			return fault("reindex", err)
		}
		q := store.Query{Collection: collection(t), Where: store.Eq{Path: fieldID, Value: store.ID(doc)}, Limit: 1}
		for now, err := range r.Store.Find(ctx, q) {
			if err != nil {
				return fault("reindex", err)
			}
			doc = now
		}
	}
	return fmt.Errorf("record: %s keeps being changed", t)
}

// entries gives the op that brings a document's entries up to date; nil when
// they are.
func (r *reindexing) entries(t fhir.Type, doc store.Doc) (*store.Op, error) {
	id, _ := store.ID(doc).StringValueOK()
	v, err := decode(id, doc)
	if err != nil {
		return nil, err
	}
	var e index.Entries
	if !v.deleted {
		if e, err = r.indexer().Index(t, v.body); err != nil {
			return nil, fmt.Errorf("record %q: %w", id, err)
		}
	}
	op := store.Op{
		Kind: store.Update, Collection: collection(t), ID: store.ID(doc),
		If: store.Eq{Path: fieldVersion, Value: store.V(v.number)},
	}
	set := func(field string, has bool, value any) {
		have := doc.Lookup(field)
		switch {
		case !has && have.Type != 0:
			op.Unset = append(op.Unset, field)
		case has:
			if want := store.V(value); !have.Equal(want) {
				op.Set = append(op.Set, store.Field{Path: field, Value: want})
			}
		}
	}
	set(fieldKeys, len(e.Keys) > 0, e.Keys)
	set(fieldRank, !v.deleted, bson.Binary{Data: rank(e.Date, id)})
	for _, old := range oldFields {
		set(old, false, nil)
	}
	if len(op.Set)+len(op.Unset) == 0 {
		return nil, nil
	}
	return &op, nil
}

// note remembers how far the run is.
func (r *reindexing) note(ctx context.Context, t fhir.Type, last store.Doc) error {
	after, _ := store.ID(last).StringValueOK()
	return r.mark(ctx, bson.D{{Key: fieldID, Value: r.id}, {Key: "for", Value: r.purpose()}, {Key: "type", Value: string(t)}, {Key: "after", Value: after}})
}

// mark writes a document of the formats, there already or not.
func (r *reindexing) mark(ctx context.Context, content bson.D) error {
	doc, err := bson.Marshal(content)
	if err != nil {
		return err
	}
	replace := store.Op{Kind: store.Replace, Collection: formatCollection, ID: store.ID(doc), Doc: doc}
	err = r.Store.Apply(ctx, []store.Op{replace})
	if errors.Is(err, store.ErrConflict) {
		err = r.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: formatCollection, Doc: doc}})
	}
	if err != nil && !errors.Is(err, store.ErrExists) { // another run was faster
		return fault("reindex", err)
	}
	return nil
}

// forget forgets how far the run was.
func (r *reindexing) forget(ctx context.Context) error {
	err := r.Store.Apply(ctx, []store.Op{{Kind: store.Delete, Collection: formatCollection, ID: store.String(r.id)}})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return fault("reindex", err)
	}
	return nil
}

// finish forgets how far the run was, and raises the number of the layout that
// was found.
func (r *reindexing) finish(ctx context.Context, found int64) error {
	if err := r.forget(ctx); err != nil {
		return err
	}
	if found == format {
		return nil
	}
	return r.mark(ctx, bson.D{{Key: fieldID, Value: formatID}, {Key: fieldFormat, Value: int64(format)}})
}
