package sqlite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
)

// counterOf waits for the counter of a search; it is made in the background.
func counterOf(t *testing.T, s *Store, n int) {
	t.Helper()
	var have int64
	if !patience.Until(func() bool {
		c, err := s.readers.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		have, err = c.number("SELECT count(*) FROM portico_counts")
		s.readers.put(c)
		if err != nil {
			t.Fatal(err)
		}
		return have == int64(n)
	}) {
		t.Fatalf("%d counters, want %d", have, n)
	}
}

func TestCountersStayTrue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{})
	err := s.Ensure(t.Context(), []store.Index{{Collection: "A", Name: "k", Keys: []store.Key{{Path: "k"}, {Path: "n"}, {Path: "_id"}}, Loose: true}})
	if err != nil {
		t.Fatal(err)
	}
	doc := func(i int, words ...string) store.Doc {
		data, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i % 9}, {Key: "k", Value: words}})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	apply := func(ops ...store.Op) {
		t.Helper()
		if err := s.Apply(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
	}
	const many = worthCounting + 100
	var ops []store.Op
	for i := range many {
		ops = append(ops, store.Op{Kind: store.Insert, Collection: "A", Doc: doc(i, "all", fmt.Sprint("one", i), "a\x00b")})
	}
	apply(ops...)
	check := func(when string, all, word, zero int64) {
		t.Helper()
		for _, c := range []struct {
			where store.Filter
			want  int64
		}{{nil, all}, {store.Eq{Path: "k", Value: store.V("all")}, word}, {store.Eq{Path: "k", Value: store.V("a\x00b")}, zero}} {
			where, want := c.where, c.want
			n, err := s.Count(t.Context(), store.Query{Collection: "A", Where: where})
			if err != nil || n != want {
				t.Errorf("%s: %d, %v, want %d", when, n, err, want)
			}
			if n, err := s.Count(t.Context(), store.Query{Collection: "A", Where: where, Limit: 7}); err != nil || n != 7 {
				t.Errorf("%s: %d of seven, %v", when, n, err)
			}
		}
	}
	check("at first", many, many, many)
	counterOf(t, s, 3)
	check("by counters", many, many, many)
	del := func(i int) store.Op { return store.Op{Kind: store.Delete, Collection: "A", ID: store.V(i)} }
	put := func(i int, words ...string) store.Op {
		return store.Op{Kind: store.Replace, Collection: "A", ID: store.V(i), Doc: doc(i, words...)}
	}
	apply(del(1), del(2), put(3, "x"), put(4, "all"), store.Op{Kind: store.Insert, Collection: "A", Doc: doc(many, "all", "all")})
	check("after changes", many-1, many-2, many-4)
	apply(put(3, "all"), put(3, "x"), put(3, "all"), del(5), store.Op{Kind: store.Insert, Collection: "A", Doc: doc(5, "all")})
	check("after changes of changes", many-1, many-1, many-5)
	if err := s.Apply(t.Context(), []store.Op{del(6), put(7, "x"), del(6)}); err == nil {
		t.Fatal("a document was removed twice")
	}
	check("after what failed", many-1, many-1, many-5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	apply(del(8))
	check("after a restart", many-2, many-2, many-6)
}

// What fills many runs is counted before anybody asks, whether its entries come one by one, in a load, or when
// the index is made.
func TestCountersBeginWhenRunsFill(t *testing.T) {
	t.Parallel()
	ix := store.Index{Collection: "A", Name: "k", Keys: []store.Key{{Path: "k"}, {Path: "n"}, {Path: "_id"}}, Loose: true}
	const many = 4 * worthCounting
	for _, early := range []bool{true, false} {
		t.Run(fmt.Sprintf("early=%v", early), func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir(), Options{Recent: 1 << 16})
			ensure := func() {
				if err := s.Ensure(t.Context(), []store.Index{ix}); err != nil {
					t.Fatal(err)
				}
			}
			if early {
				ensure()
			}
			for i := range many / 64 {
				var ops []store.Op
				for j := range 64 {
					id := 64*i + j
					data, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "n", Value: id * 7919 % 4001}, {Key: "k", Value: []string{"all", fmt.Sprint("few", id%400)}}})
					if err != nil {
						t.Fatal(err)
					}
					ops = append(ops, store.Op{Kind: store.Insert, Collection: "A", Doc: data})
				}
				if err := s.Apply(t.Context(), ops); err != nil {
					t.Fatal(err)
				}
			}
			if !early {
				ensure()
			}
			counterOf(t, s, 2) // one of all documents
			if err := s.Apply(t.Context(), []store.Op{{Kind: store.Delete, Collection: "A", ID: store.V(1)}}); err != nil {
				t.Fatal(err)
			}
			n, err := s.Count(t.Context(), store.Query{Collection: "A", Where: store.Eq{Path: "k", Value: store.V("all")}})
			if err != nil || n != many-1 {
				t.Errorf("%d, %v, want %d", n, err, many-1)
			}
			if n, err := s.Count(t.Context(), store.Query{Collection: "A"}); err != nil || n != many-1 {
				t.Errorf("of all %d, %v, want %d", n, err, many-1)
			}
		})
	}
}

// Counters of format 3 held what is not in the runs, too: they are not believed.
func TestCountersOfFormat3AreMadeAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := s.Ensure(t.Context(), []store.Index{{Collection: "A", Name: "k", Keys: []store.Key{{Path: "k"}}}}); err != nil {
		t.Fatal(err)
	}
	var ops []store.Op
	for i := range 2 * worthCounting {
		ops = append(ops, store.Op{Kind: store.Insert, Collection: "A", Doc: marshal(t, fmt.Sprint(i), "k", "all")})
	}
	if err := s.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	count := func() int64 {
		n, err := s.Count(t.Context(), store.Query{Collection: "A", Where: store.Eq{Path: "k", Value: store.V("all")}})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	count()
	counterOf(t, s, 2)
	err := s.writer.alone(t.Context(), func() error {
		return s.writer.conn.exec("UPDATE portico_counts SET n=n+7; PRAGMA user_version=3")
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 2*worthCounting+7 {
		t.Fatalf("a count does not use the counter: %d", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if n := count(); n != 2*worthCounting {
		t.Errorf("%d, want %d", n, 2*worthCounting)
	}
}

// However edits go into the runs, and over restarts, counters say what entries say.
func TestCountersAgreeWithEntries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := Options{Recent: 3000} // bytes of edits
	s := open(t, dir, opts)
	if err := s.Ensure(t.Context(), []store.Index{{Collection: "A", Name: "k", Keys: []store.Key{{Path: "k"}, {Path: "n"}, {Path: "_id"}}, Loose: true}}); err != nil {
		t.Fatal(err)
	}
	d := rand.New(rand.NewPCG(1, 2))
	words := []string{"a", "a\x00", "b", "c"}
	have := make(map[int][]string)
	for round := range 400 {
		var ops []store.Op
		changed := make(map[int]bool)
		for range d.IntN(8) {
			id := d.IntN(200)
			if changed[id] {
				continue
			}
			changed[id] = true
			var own []string
			for _, w := range words {
				if d.IntN(2) == 0 {
					own = append(own, w)
				}
			}
			data, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "n", Value: d.IntN(5)}, {Key: "k", Value: own}})
			if err != nil {
				t.Fatal(err)
			}
			switch _, there := have[id]; {
			case !there:
				ops = append(ops, store.Op{Kind: store.Insert, Collection: "A", Doc: data})
				have[id] = own
			case d.IntN(3) == 0:
				ops = append(ops, store.Op{Kind: store.Delete, Collection: "A", ID: store.V(id)})
				delete(have, id)
			default:
				ops = append(ops, store.Op{Kind: store.Replace, Collection: "A", ID: store.V(id), Doc: data})
				have[id] = own
			}
		}
		if err := s.Apply(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
		if round == 20 {
			coll := s.catalog.Load().collections["A"]
			for _, w := range words[:3] {
				s.count(coll, coll.index("k"), coll.index("k").iid, store.AppendKey(nil, store.String(w), false))
			}
			counterOf(t, s, 3)
		}
		if round%100 == 99 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, opts)
		}
		for _, w := range words {
			want := int64(0)
			for _, own := range have {
				if slices.Contains(own, w) {
					want++
				}
			}
			n, err := s.Count(t.Context(), store.Query{Collection: "A", Where: store.Eq{Path: "k", Value: store.V(w)}})
			if err != nil || n != want {
				t.Fatalf("round %d: %d of %q, %v, want %d", round, n, w, err, want)
			}
		}
	}
}

// A counter that is undone together with what made it worth one is made again.
func TestCountersThatAreUndone(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	insert := func(id string) store.Op {
		return store.Op{Kind: store.Insert, Collection: "A", Doc: marshal(t, id, "n", 1)}
	}
	var ops []store.Op
	for i := range worthAll - 1 {
		ops = append(ops, insert(fmt.Sprint(i)))
	}
	if err := s.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), []store.Op{insert("a"), insert("a")}); err == nil {
		t.Fatal("two have one _id")
	}
	for i, id := range []string{"a", "b"} {
		if err := s.Apply(t.Context(), []store.Op{insert(id)}); err != nil {
			t.Fatal(err)
		}
		counterOf(t, s, 1)
		if n, err := s.Count(t.Context(), store.Query{Collection: "A"}); err != nil || n != int64(worthAll+i) {
			t.Errorf("%d, %v, want %d", n, err, worthAll+i)
		}
	}
}
