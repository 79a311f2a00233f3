package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/portico-fhir/portico/store"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Apply implements store.Store. Readers wait until it is done.
func (s *Store) Apply(ctx context.Context, ops []store.Op) error {
	for i, op := range ops {
		if err := op.Validate(); err != nil {
			return &store.OpError{Index: i, Err: err}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx); err != nil {
		return err
	}
	var done []undo
	for i, op := range ops {
		u, err := s.carryOut(op)
		if err != nil {
			for _, u := range slices.Backward(done) {
				u.back()
			}
			return opError(i, err)
		}
		done = append(done, u)
	}
	for _, u := range done {
		s.log.add(s.History, u.event)
	}
	if len(done) > 0 {
		s.log.announce()
	}
	return nil
}

func opError(i int, err error) error {
	e := &store.OpError{Index: i, Err: err}
	var t *taken
	if errors.As(err, &t) {
		e.Name, e.Err = t.name, store.ErrExists
	}
	return e
}

// undo is what one op changed, so that it can be taken back.
type undo struct {
	c     *collection
	id    string
	old   store.Doc
	event store.Event
}

func (u undo) back() {
	// It was like that before, so no index forbids it.
	_ = u.c.put(u.id, u.old)
}

// carryOut does one valid op; s.mu is held.
func (s *Store) carryOut(op store.Op) (undo, error) {
	c := s.collection(op.Collection)
	id := op.ID
	if op.Kind == store.Insert {
		id = store.ID(op.Doc)
	}
	u := undo{c: c, id: key(id)}
	u.old = c.docs[u.id]
	if op.Kind == store.Insert {
		if u.old != nil {
			return u, store.ErrExists
		}
	} else if u.old == nil || !store.Match(op.If, u.old) {
		return u, store.ErrConflict
	}
	var doc store.Doc
	switch op.Kind {
	case store.Insert, store.Replace:
		doc = slices.Clone(op.Doc)
	case store.Update:
		updated, err := store.Updated(u.old, op.Set, op.Unset)
		if err != nil {
			return u, err
		}
		doc = updated
	}
	u.event = store.Event{Kind: op.Kind, Collection: op.Collection, ID: store.V(id), Doc: doc}
	u.event.ID.Value = slices.Clone(id.Value)
	return u, c.put(u.id, doc)
}

// collection gives the collection of that name, making it if need be.
func (s *Store) collection(name string) *collection {
	c := s.collections[name]
	if c == nil {
		c = newCollection()
		if s.collections == nil {
			s.collections = map[string]*collection{}
		}
		s.collections[name] = c
	}
	return c
}

// Ensure implements store.Store. It stops at the first index that cannot be.
func (s *Store) Ensure(ctx context.Context, indexes []store.Index) error {
	for _, ix := range indexes {
		if err := ix.Validate(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ix := range indexes {
		if err := s.ready(ctx); err != nil {
			return err
		}
		if err := s.collection(ix.Collection).declare(ix); err != nil {
			return fmt.Errorf("ensure: %w", err)
		}
	}
	return nil
}

func same(a, b store.Index) bool {
	return slices.Equal(a.Keys, b.Keys) && a.Unique == b.Unique && a.Sparse == b.Sparse && a.ExpireAfter == b.ExpireAfter && a.Loose == b.Loose
}

// Sweep removes the documents that have expired by now. Nothing else does.
func (s *Store) Sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range s.collections {
		for _, ix := range c.indexes {
			if ix.ExpireAfter == 0 {
				continue
			}
			for id, doc := range c.docs {
				if !expired(ix.Index, doc, now) {
					continue
				}
				_ = c.put(id, nil) // no index forbids a removal
				s.log.add(s.History, store.Event{Kind: store.Delete, Collection: name, ID: store.ID(doc)})
			}
		}
	}
	s.log.announce()
}

// expired reports whether one of the dates in ix's key has passed.
func expired(ix store.Index, doc store.Doc, now time.Time) bool {
	entries, _ := store.Entries(ix, doc) // it is indexed, so it has entries
	for _, e := range entries {
		if e[0].Type == bson.TypeDateTime && !e[0].Time().Add(ix.ExpireAfter).After(now) {
			return true
		}
	}
	return false
}
