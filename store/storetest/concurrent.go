package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

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

func hostile(g *group) {
	strings := []string{`{"$gt":""}`, "$where", "$a", "a\x00b", "\x00", "", "'; drop table docs; --", "%", "_", "*", `\`, "\n", "\U0001F600", "\xed\xa0\x80", "ﬁ", "İ"}
	g.claim("strings are literals", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, store.Index{Collection: c, Name: "v", Keys: asc("v"), Unique: true})
		for i, v := range strings {
			must(t, s, insert(c, mustMarshal(bson.D{{Key: "_id", Value: v}, {Key: "v", Value: v}, {Key: "i", Value: i}})))
		}
		for i, v := range strings {
			for _, f := range []store.Filter{eq("_id", v), eq("v", v), store.In{Path: "v", Values: []store.Value{store.V(v)}}} {
				got := find(t, s, store.Query{Collection: c, Where: f})
				if len(got) != 1 || got[0].Lookup("i").AsInt64() != int64(i) {
					t.Errorf("%#v finds %v", f, got)
				}
			}
		}
	})
	g.claim("text with NUL is searched as it is", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":"a\u0000b"}`, `{"a":"a"}`, `{"a":"ab"}`)
		checkIDs(t, s, store.Query{Collection: c, Where: store.Prefix{Path: "a", Value: "a\x00"}}, "1")
		checkIDs(t, s, store.Query{Collection: c, Where: store.Contains{Path: "a", Value: "\x00"}}, "1")
		checkIDs(t, s, store.Query{Collection: c, Where: store.Contains{Path: "a", Value: "A\x00B", Fold: true}}, "1")
		checkIDs(t, s, store.Query{Collection: c, Where: eq("a", "a")}, "2")
	})
	g.claim("a document as a value is a literal", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":5}`, `{"a":{"$gt":1}}`)
		checkIDs(t, s, store.Query{Collection: c, Where: eq("a", bson.D{{Key: "$gt", Value: 1}})}, "2")
		checkIDs(t, s, store.Query{Collection: c, Where: store.In{Path: "a", Values: []store.Value{store.V(bson.D{{Key: "$gt", Value: 1}})}}}, "2")
		checkIDs(t, s, store.Query{Collection: c, Where: store.Elem{Path: "a", Where: eq("", bson.D{{Key: "$gt", Value: 1}})}})
	})
	g.claim("a precondition with such a value is a literal", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":5}`)
		err := s.Apply(t.Context(), []store.Op{only(remove(c, 1), eq("a", bson.D{{Key: "$gt", Value: 1}}))})
		wantOpError(t, err, 0, store.ErrConflict)
	})
	g.claim("an _id that looks like an operator is a literal", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{}`)
		err := s.Apply(t.Context(), []store.Op{remove(c, bson.D{{Key: "$gt", Value: 0}})})
		wantOpError(t, err, 0, store.ErrConflict)
	})
	g.claim("names with dots are kept, and no path reaches them", func(t *testing.T, s store.Store, c string) {
		d := doc(t, `{"_id":1,"a.b":1,"c":{"d.e":2}}`)
		must(t, s, insert(c, d))
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{d})
		checkIDs(t, s, store.Query{Collection: c, Where: eq("a.b", 1)})
		checkIDs(t, s, store.Query{Collection: c, Where: store.Exists{Path: "c.d.e"}}, "1")
	})
	g.claim("names with $ below the top are kept", func(t *testing.T, s store.Store, c string) {
		d := doc(t, `{"_id":1,"ref":{"x":{"$a":1}}}`)
		must(t, s, insert(c, d))
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{d})
	})
	g.claim("empty names are kept", func(t *testing.T, s store.Store, c string) {
		d := doc(t, `{"_id":1,"":1,"a":{"":2}}`)
		must(t, s, insert(c, d))
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{d})
	})
	g.claim("a filter with many values and many parts", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1500}`, `{"a":-1}`)
		in, or := store.In{Path: "a"}, store.Or{}
		for i := range 2000 {
			in.Values = append(in.Values, store.V(i))
		}
		for i := range 500 {
			or = append(or, store.And{eq("a", i+1400), store.Not{Filter: eq("b", i)}})
		}
		checkIDs(t, s, store.Query{Collection: c, Where: store.And{in, or}}, "1")
	})
	g.claim("documents nested 100 levels are kept, deeper ones refused", func(t *testing.T, s store.Store, c string) {
		d := nestedDoc(99)
		must(t, s, insert(c, d))
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{d})
		wantOpError(t, s.Apply(t.Context(), []store.Op{insert(c, nestedDoc(20_000))}), 0, store.ErrInvalid)
	})
}

// nestedDoc has n documents within it, each in the other.
func nestedDoc(n int) store.Doc {
	inner := bson.Raw(mustMarshal(bson.D{}))
	for range n - 1 {
		inner = mustMarshal(bson.D{{Key: "a", Value: inner}})
	}
	return mustMarshal(bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: inner}})
}
