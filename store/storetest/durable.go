package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/portico-fhir/portico/store"
)

func durable(g *group) {
	claim := func(name string, run func(t *testing.T, s store.Store, reopen func(store.Store) store.Store)) {
		g.claim(name, func(t *testing.T, _ store.Store, _ string) {
			if g.Reopen == nil {
				t.Skip("the backend keeps nothing")
			}
			last := g.Open(t)
			t.Cleanup(func() {
				if err := last.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			run(t, last, func(s store.Store) store.Store {
				last = g.Reopen(t, s)
				return last
			})
		})
	}
	claim("what was applied is there after reopening", func(t *testing.T, s store.Store, reopen func(store.Store) store.Store) {
		mustInsert(t, s, "a", `{"x":1}`, `{"x":2}`, `{"x":3}`)
		mustInsert(t, s, "clinic.a", `{"y":1}`)
		must(t, s, remove("a", 1), set("a", 2, "x", 9))
		want := find(t, s, store.Query{Collection: "a"})
		s = reopen(s)
		same(t, "after reopening", find(t, s, store.Query{Collection: "a"}), want)
		checkIDs(t, s, store.Query{Collection: "clinic.a"}, "1")
		must(t, s, insert("a", doc(t, `{"_id":1}`)))
		checkIDs(t, reopen(s), store.Query{Collection: "a"}, "1", "2", "3")
	})
	claim("indexes are there after reopening", func(t *testing.T, s store.Store, reopen func(store.Store) store.Store) {
		u := store.Index{Collection: "a", Name: "u", Keys: asc("u"), Unique: true}
		ensure(t, s, u)
		mustInsert(t, s, "a", `{"u":1}`)
		s = reopen(s)
		wantOpError(t, s.Apply(t.Context(), []store.Op{insert("a", doc(t, `{"_id":2,"u":1}`))}), 0, store.ErrExists)
		ensure(t, s, u)
		checkIDs(t, s, store.Query{Collection: "a", Where: eq("u", 1)}, "1")
	})
	claim("a cursor is valid after reopening", func(t *testing.T, s store.Store, reopen func(store.Store) store.Store) {
		mustInsert(t, s, "a", `{"x":1}`, `{"x":2}`, `{"x":3}`)
		after := store.Position(desc("x"), get(t, s, "a", 3))
		checkIDs(t, reopen(s), store.Query{Collection: "a", Order: desc("x"), After: after}, "2", "1")
	})
	claim("every acknowledged write of many writers is there after reopening", func(t *testing.T, s store.Store, reopen func(store.Store) store.Store) {
		const writers, each = 8, 10
		done := make(chan error, writers)
		for w := range writers {
			go func() { done <- insertSome(t.Context(), s, w, each) }()
		}
		for range writers {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		checkCount(t, reopen(s), store.Query{Collection: "a"}, writers*each)
	})
}

func insertSome(ctx context.Context, s store.Store, writer, n int) error {
	for i := range n {
		if err := s.Apply(ctx, []store.Op{insert("a", walked(writer*1000+i, i))}); err != nil {
			return fmt.Errorf("writer %d: %w", writer, err)
		}
	}
	return nil
}
