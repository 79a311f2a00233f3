package live

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/store"
)

// polled is how far the polling of one map is: up to which time of change, and which documents
// were told that changed in the last moments before it.
type polled struct {
	At   time.Time         `bson:"at"`
	Told map[string]string `bson:"told,omitempty"` // what was told of a document: its time of change
}

const (
	// overlap is how far back each poll looks: an EHR stamps a change before it is
	// committed, and its nodes have clocks of their own.
	overlap = 10 * time.Second
	// batch bounds the documents of one poll.
	batch = 1000
)

// poll asks again and again for documents that changed.
func (f *Feed) poll(ctx context.Context, tell func(context.Context, []Change) error) error {
	p, err := f.load(ctx)
	if err != nil {
		return err
	}
	if p.Polls == nil {
		p.Polls = make(map[string]polled)
	}
	tick := time.NewTicker(f.every())
	defer tick.Stop()
	for {
		for _, m := range f.Map.Maps {
			updated := m.Stamp()
			if updated == "" {
				continue
			}
			at, known := p.Polls[m.Name]
			if !known {
				at.At = f.now().Truncate(time.Millisecond)
			}
			next, moved, err := f.pollMap(ctx, m, updated, at, tell)
			if err != nil {
				return err
			}
			if moved || !known {
				p.Polls[m.Name] = next
				if err := f.save(ctx, store.Field{Path: "polls", Value: store.V(p.Polls)}); err != nil {
					return err
				}
			}
		}
		select {
		case <-ctx.Done():
			return wrap(ctx.Err())
		case <-tick.C:
		}
	}
}

// pollMap tells of the documents of one map that changed since a place, and gives the next.
func (f *Feed) pollMap(ctx context.Context, m *chartmap.Mapping, updated string, at polled, tell func(context.Context, []Change) error) (polled, bool, error) {
	q := store.Query{
		Collection: m.Collection, Order: []store.Key{{Path: updated}}, Limit: batch,
		Where: store.Range{Path: updated, Low: &store.Bound{Value: store.V(at.At.Add(-overlap)), Inclusive: true}},
	}
	next := polled{At: at.At, Told: make(map[string]string)}
	moved := false
	var changes []Change
	for full := true; full; {
		n := 0
		for doc, err := range f.Store.Find(ctx, q) {
			if err != nil {
				return at, false, fmt.Errorf("feed: poll %s: %w", m.Collection, err)
			}
			n++
			q.After = store.Position(q.Order, doc)
			stamp, ok := store.Lookup(doc, updated).TimeOK()
			if !ok {
				continue
			}
			id, when := store.ID(doc).String(), stamp.UTC().Format(time.RFC3339Nano)
			next.Told[id] = when
			if stamp.After(next.At) {
				next.At = stamp.UTC()
			}
			if at.Told[id] == when || (at.Told == nil && !stamp.After(at.At)) {
				continue // told before, or older than the feed
			}
			moved = true
			for _, key := range f.Map.Keys(m.Collection, doc) {
				if key.Type == m.Resource && !slices.ContainsFunc(changes, func(c Change) bool { return c.Key == key }) {
					changes = append(changes, Change{Key: key})
				}
			}
		}
		full = n == batch
		if len(changes) > 0 {
			if err := tell(ctx, changes); err != nil {
				return at, false, err
			}
			changes = nil
		}
	}
	for id, when := range next.Told { // what the next poll does not see again need not be kept
		if stamp, err := time.Parse(time.RFC3339Nano, when); err != nil || stamp.Before(next.At.Add(-overlap)) {
			delete(next.Told, id)
		}
	}
	return next, moved, nil
}
