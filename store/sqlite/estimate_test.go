package sqlite

import (
	"fmt"
	"testing"

	"github.com/portico-fhir/portico/store"
)

// What the planner knows of a span is of use until the collection has grown by much, and no longer.
func TestEstimatesAreMadeAnewWhenTheCollectionGrows(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{Readers: 1})
	if err := s.Ensure(t.Context(), []store.Index{{Collection: "c", Name: "k", Keys: []store.Key{{Path: "k"}}}}); err != nil {
		t.Fatal(err)
	}
	made := 0
	grow := func(n int) {
		var ops []store.Op
		for range n {
			ops = append(ops, store.Op{Kind: store.Insert, Collection: "c", Doc: marshal(t, fmt.Sprint(made), "k", "many")})
			made++
		}
		if err := s.Apply(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
	}
	number := func(limit int64) int64 {
		t.Helper()
		h, err := s.hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer h.release()
		defer h.conn.endSnapshot()
		if err := h.conn.snapshot(); err != nil {
			t.Fatal(err)
		}
		ix := s.catalog.Load().collections["c"].index("k")
		size, err := h.conn.number(s.catalog.Load().collections["c"].last)
		if err != nil {
			t.Fatal(err)
		}
		key := store.AppendKey(nil, store.String("many"), false)
		n, err := h.conn.estimates.number(h.conn, ix, span{key, after(key)}, size, limit)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	steps := []struct {
		more  int
		limit int64
		want  int64
	}{
		{100, 1000, 100},
		{500, 1000, 600}, // so few are not known
		{10, 1000, 600},  // known
		{0, 32, 600},
		{0, 5000, 600}, // there were no more
		{90, 5000, 700},
		{500, 800, 800},
		{0, 512, 800},
		{0, 5000, 1200}, // there may have been more
	}
	for i, step := range steps {
		grow(step.more)
		if got := number(step.limit); got != step.want {
			t.Errorf("step %d: got %d, want %d", i, got, step.want)
		}
	}
	for range maxUses - 1 {
		number(5000)
	}
	grow(1)
	if got := number(5000); got != 1200 {
		t.Errorf("got %d", got)
	}
	if got := number(5000); got != 1201 {
		t.Errorf("got %d after %d uses", got, maxUses)
	}
}
