package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/portico-fhir/portico/store"
)

func concurrent(g *group) {
	g.claim("64 writers that compare and swap lose no increment", func(t *testing.T, s store.Store, c string) {
		const writers, each, counters = 64, 4, 8
		var ops []store.Op
		for i := range counters {
			ops = append(ops, insert(c, doc(t, fmt.Sprintf(`{"_id":%d,"n":0}`, i))))
		}
		must(t, s, ops...)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for range each {
					if err := increment(t.Context(), s, c, w%counters); err != nil {
						t.Errorf("writer %d: %v", w, err)
						return
					}
				}
			})
		}
		wg.Wait()
		for i := range counters {
			if n := get(t, s, c, i).Lookup("n").AsInt64(); n != writers/counters*each {
				t.Errorf("counter %d is %d, want %d", i, n, writers/counters*each)
			}
		}
	})
	g.claim("of many writers one takes an _id", func(t *testing.T, s store.Store, c string) {
		oneWins(t, func(i int) error {
			return s.Apply(t.Context(), []store.Op{insert(c, doc(t, fmt.Sprintf(`{"_id":"same","by":%d}`, i)))})
		})
		checkCount(t, s, store.Query{Collection: c}, 1)
	})
	g.claim("of many writers one takes a unique value", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, store.Index{Collection: c, Name: "u", Keys: asc("u"), Unique: true})
		oneWins(t, func(i int) error {
			return s.Apply(t.Context(), []store.Op{insert(c, doc(t, fmt.Sprintf(`{"_id":%d,"u":1}`, i)))})
		})
		checkCount(t, s, store.Query{Collection: c}, 1)
	})
	g.claim("a search never sees half of an Apply", halfApply)
	g.claim("one search after another never goes back in time", backInTime)
	g.claim("writers over several collections do not get stuck", func(t *testing.T, s store.Store, c string) {
		names := []string{c, c + "x"}
		must(t, s, insert(names[0], doc(t, `{"_id":1,"n":0}`)), insert(names[1], doc(t, `{"_id":1,"n":0}`)))
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				// Half of them take the collections in the other order.
				a, b := names[w%2], names[1-w%2]
				for i := range 5 {
					if err := s.Apply(t.Context(), []store.Op{set(a, 1, fmt.Sprint("w", w), i), set(b, 1, fmt.Sprint("w", w), i)}); err != nil {
						t.Errorf("writer %d: %v", w, err)
					}
				}
			})
		}
		wg.Wait()
		for _, name := range names {
			d := get(t, s, name, 1)
			for w := range 8 {
				if n := d.Lookup(fmt.Sprint("w", w)).AsInt64(); n != 4 {
					t.Errorf("%s: the last of writer %d is %d, want 4", name, w, n)
				}
			}
		}
	})
}

// increment adds one by compare and swap.
func increment(ctx context.Context, s store.Store, c string, id int) error {
	for {
		var n int64
		for d, err := range s.Find(ctx, store.Query{Collection: c, Where: eq("_id", id)}) {
			if err != nil {
				return err
			}
			n = d.Lookup("n").AsInt64()
		}
		err := s.Apply(ctx, []store.Op{only(set(c, id, "n", n+1), eq("n", n))})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// oneWins fails unless exactly one of many calls succeeds and the others are
// told ErrExists.
func oneWins(t *testing.T, try func(i int) error) {
	t.Helper()
	var wins atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			switch err := try(i); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, store.ErrExists):
				t.Errorf("writer %d: %v, want %v", i, err, store.ErrExists)
			}
		})
	}
	wg.Wait()
	if n := wins.Load(); n != 1 {
		t.Errorf("%d writers won", n)
	}
}

// halfApply moves amounts between accounts; their sum never changes.
func halfApply(t *testing.T, s store.Store, c string) {
	must(t, s, insert(c, doc(t, `{"_id":0,"n":100}`)), insert(c, doc(t, `{"_id":1,"n":100}`)))
	beside(t, func(ctx context.Context, i int) error {
		return s.Apply(ctx, []store.Op{set(c, 0, "n", 100+i), set(c, 1, "n", 100-i)})
	}, func() bool {
		var sum int64
		for _, d := range find(t, s, store.Query{Collection: c}) {
			sum += d.Lookup("n").AsInt64()
		}
		if sum != 200 {
			t.Errorf("the sum is %d, want 200", sum)
		}
		return sum == 200
	})
}

// backInTime writes the same number to two collections; whichever is read
// later has at least the number of the other.
func backInTime(t *testing.T, s store.Store, c string) {
	names := [2]string{c, "clinic." + c}
	must(t, s, insert(names[0], doc(t, `{"_id":1,"n":0}`)), insert(names[1], doc(t, `{"_id":1,"n":0}`)))
	read := 0
	beside(t, func(ctx context.Context, i int) error {
		return s.Apply(ctx, []store.Op{set(names[0], 1, "n", i), set(names[1], 1, "n", i)})
	}, func() bool {
		read++
		first := get(t, s, names[read%2], 1).Lookup("n").AsInt64()
		second := get(t, s, names[1-read%2], 1).Lookup("n").AsInt64()
		if second < first {
			t.Errorf("read %d, and then %d in the other collection", first, second)
		}
		return second >= first
	})
}

// beside reads 100 times, or until a reading fails, while a writer writes.
func beside(t *testing.T, write func(ctx context.Context, i int) error, read func() bool) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			if err := write(ctx, i); err != nil && ctx.Err() == nil {
				t.Errorf("writer: %v", err)
				return
			}
		}
	})
	for range 100 {
		if !read() {
			break
		}
	}
	cancel()
	wg.Wait()
}
