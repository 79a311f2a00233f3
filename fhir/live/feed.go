package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
)

const collection = "portico_feeds"

// Change is a resource of the EHR that may be another now.
type Change struct {
	Key fhir.Key
	// Deleted says that its document is gone. One that is there may be served no more,
	// too: reading tells.
	Deleted bool
}

// Feed tells of changes in the EHR. All fields are set before Run, which one process at a
// time calls for a name.
type Feed struct {
	Store store.Store
	Map   *chartmap.Map
	// Name is what the place in the stream is kept under.
	Name string
	// Every is how often a store that cannot watch is asked; 0: half a second.
	Every time.Duration
	// Lost is called when changes were missed, because the place is older than what the
	// store remembers: everything may be another now. nil: nothing is called.
	Lost func(context.Context) error
	Now  func() time.Time // nil: time.Now
}

// Unseen names the maps whose changes are not told of on this store.
func (f *Feed) Unseen() []string {
	if _, ok := f.Store.(store.Watcher); ok {
		return nil
	}
	var names []string
	for _, m := range f.Map.Maps {
		if m.Stamp() == "" {
			names = append(names, m.Name)
		}
	}
	return names
}

func (f *Feed) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

func (f *Feed) every() time.Duration {
	if f.Every == 0 {
		return 500 * time.Millisecond
	}
	return f.Every
}

// Run calls tell with changes until ctx ends, which it returns. When tell fails, Run ends
// with its error, and the same changes are told when it is called again.
func (f *Feed) Run(ctx context.Context, tell func(context.Context, []Change) error) error {
	if w, ok := f.Store.(store.Watcher); ok {
		return f.watch(ctx, w, tell)
	}
	return f.poll(ctx, tell)
}

// collections are those of the maps, each once, and the one of what the EHR has no place for:
// where a document has neither version nor time, a change of that alone leaves it as it was.
func (f *Feed) collections() []string {
	all := []string{chartmap.Overflow}
	for _, m := range f.Map.Maps {
		if !slices.Contains(all, m.Collection) {
			all = append(all, m.Collection)
		}
	}
	return all
}

// place is where a feed is.
type place struct {
	ID    string            `bson:"_id"`
	Token []byte            `bson:"token,omitempty"`
	Beat  int64             `bson:"beat,omitempty"`
	Polls map[string]polled `bson:"polls,omitempty"`
}

func (f *Feed) load(ctx context.Context) (p place, err error) {
	p.ID = f.Name
	raw, err := store.Get(ctx, f.Store, collection, f.Name)
	if err != nil || raw == nil {
		return p, wrap(err)
	}
	if err := bson.Unmarshal(raw, &p); err != nil {
		return p, fmt.Errorf("feed: read its place: %w: %w", store.ErrCorrupt, err)
	}
	return p, nil
}

// save keeps fields of the place; the document is made when it is not there yet.
func (f *Feed) save(ctx context.Context, fields ...store.Field) error {
	op := store.Op{Kind: store.Update, Collection: collection, ID: store.String(f.Name), Set: fields}
	err := f.Store.Apply(ctx, []store.Op{op})
	if !errors.Is(err, store.ErrConflict) {
		return wrap(err)
	}
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: f.Name}})
	if err != nil {
		return wrap(err)
	}
	return wrap(f.Store.Apply(ctx, []store.Op{{Kind: store.Insert, Collection: collection, Doc: doc}, op}))
}

func wrap(err error) error {
	if err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	return nil
}

// changes names the resources that an event is about.
func (f *Feed) changes(e store.Event) ([]Change, error) {
	if e.Collection == chartmap.Overflow { // what is beside a resource is gone with it, or alone: the EHR's own event tells
		if key, ok := f.Map.Beside(e.ID); ok {
			return []Change{{Key: key}}, nil
		}
		return nil, nil
	}
	doc := e.Doc
	if doc == nil { // deleted: only maps whose id is the key of the document can be told
		var err error
		if doc, err = bson.Marshal(bson.D{{Key: "_id", Value: e.ID}}); err != nil {
			return nil, wrap(err)
		}
	}
	var all []Change
	for _, key := range f.Map.Keys(e.Collection, doc) {
		all = append(all, Change{Key: key, Deleted: e.Kind == store.Delete})
	}
	return all, nil
}
