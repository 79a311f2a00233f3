package sqlite

import (
	"fmt"
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
