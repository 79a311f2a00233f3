package memory

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/portico-fhir/portico/store"
)

// Store keeps documents in memory. The zero Store is empty and ready.
type Store struct {
	// History is how many changes Watch can look back at least; 0 means 10,000.
	History int

	mu          sync.RWMutex
	collections map[string]*collection
	closed      bool
	log         log
}

var (
	_ store.Store     = (*Store)(nil)
	_ store.Watcher   = (*Store)(nil)
	_ store.Explainer = (*Store)(nil)
	_ store.Pinger    = (*Store)(nil)
)

// New gives an empty store.
func New() *Store { return &Store{} }

// Find implements store.Store. It yields what was there when the loop began.
func (s *Store) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		found, _, err := s.search(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, h := range found {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			doc := slices.Clone(store.Project(h.doc, q.Fields)) // the caller's own bytes
			if !yield(doc, nil) {
				return
			}
		}
	}
}

// Count implements store.Store.
func (s *Store) Count(ctx context.Context, q store.Query) (int64, error) {
	found, _, err := s.search(ctx, store.Query{Collection: q.Collection, Where: q.Where, Limit: q.Limit})
	return int64(len(found)), err
}

// Explain implements store.Explainer: every search is a scan.
func (s *Store) Explain(ctx context.Context, q store.Query) (store.Plan, error) {
	found, docs, err := s.search(ctx, q)
	return store.Plan{Docs: int64(docs), Returned: int64(len(found)), Sorted: true}, err
}

// Ping implements store.Pinger.
func (s *Store) Ping(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ready(ctx)
}

// Close implements store.Store. Loops over what was found before may go on.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.log.announce()
	return nil
}

// ready says whether a call may go on; s.mu is held.
func (s *Store) ready(ctx context.Context) error {
	if s.closed {
		return store.ErrClosed
	}
	return ctx.Err()
}

// hit is a document that matches, and its place in the order.
type hit struct {
	doc store.Doc
	at  store.Cursor
}

// search gives the hits in order, and how many documents it looked at.
func (s *Store) search(ctx context.Context, q store.Query) ([]hit, int, error) {
	if err := q.Validate(); err != nil {
		return nil, 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.ready(ctx); err != nil {
		return nil, 0, err
	}
	c := s.collections[q.Collection]
	if c == nil {
		return nil, 0, nil
	}
	order := store.CompleteOrder(q.Order)
	var found []hit
	matching := 0
	for _, doc := range c.docs {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		if !store.Match(q.Where, doc) {
			continue
		}
		at := store.Position(order, doc)
		if store.Lacks(order, at) {
			continue
		}
		if matching++; q.MaxSort > 0 && matching > q.MaxSort {
			return nil, 0, store.ErrTooCostly
		}
		if q.After == nil || store.ComparePositions(order, at, q.After) > 0 {
			found = append(found, hit{doc, at})
		}
	}
	slices.SortFunc(found, func(a, b hit) int { return store.ComparePositions(order, a.at, b.at) })
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	return found, len(c.docs), nil
}
