package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/portico-fhir/portico/store"
)

func contexts(g *group) {
	many := func(t *testing.T, s store.Store, c string) {
		var ops []store.Op
		for i := range 500 {
			ops = append(ops, insert(c, walked(i, i)))
		}
		must(t, s, ops...)
	}
	g.claim("nothing is done under a context that has ended", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Apply(ctx, []store.Op{remove(c, 1)}); !errors.Is(err, context.Canceled) {
			t.Errorf("Apply: %v", err)
		}
		if _, err := s.Count(ctx, store.Query{Collection: c}); !errors.Is(err, context.Canceled) {
			t.Errorf("Count: %v", err)
		}
		if err := s.Ensure(ctx, []store.Index{{Collection: c, Name: "x", Keys: asc("a")}}); !errors.Is(err, context.Canceled) {
			t.Errorf("Ensure: %v", err)
		}
		for d, err := range s.Find(ctx, store.Query{Collection: c}) {
			if d != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("Find yields %v, %v", d, err)
			}
		}
		checkIDs(t, s, store.Query{Collection: c}, "1")
	})
	g.claim("a search stops with the error of its context", func(t *testing.T, s store.Store, c string) {
		many(t, s, c)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n, last := 0, error(nil)
		for _, err := range s.Find(ctx, store.Query{Collection: c}) {
			n, last = n+1, err
			if n == 10 {
				cancel()
			}
		}
		if n != 11 || !errors.Is(last, context.Canceled) {
			t.Errorf("after %d steps the search ended with %v; want the 11th to be %v", n, last, context.Canceled)
		}
	})
	g.claim("breaking out of a search releases what it holds", func(t *testing.T, s store.Store, c string) {
		many(t, s, c)
		for range 300 {
			for _, err := range s.Find(t.Context(), store.Query{Collection: c, Order: desc("n")}) {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		must(t, s, remove(c, 1))
		checkCount(t, s, store.Query{Collection: c}, 499)
	})
	g.claim("a panic in the loop over a search releases what it holds", func(t *testing.T, s store.Store, c string) {
		many(t, s, c)
		for range 50 {
			func() {
				defer func() { _ = recover() }()
				for range s.Find(t.Context(), store.Query{Collection: c}) {
					panic("stop")
				}
			}()
		}
		must(t, s, remove(c, 1))
	})
	g.claim("searches nest", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":2}`, `{"a":3}`)
		n := 0
		for range s.Find(t.Context(), store.Query{Collection: c}) {
			for range s.Find(t.Context(), store.Query{Collection: c}) {
				n += len(find(t, s, store.Query{Collection: c}))
			}
		}
		if n != 27 {
			t.Errorf("visited %d, want 27", n)
		}
	})
	g.claim("a closed store says so", func(t *testing.T, _ store.Store, c string) {
		s := g.Open(t)
		mustInsert(t, s, c, `{"a":1}`)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wantFindError(t, s, store.Query{Collection: c}, store.ErrClosed)
		if err := s.Apply(t.Context(), []store.Op{remove(c, 1)}); !errors.Is(err, store.ErrClosed) {
			t.Errorf("Apply: %v", err)
		}
		if _, err := s.Count(t.Context(), store.Query{Collection: c}); !errors.Is(err, store.ErrClosed) {
			t.Errorf("Count: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	})
}
