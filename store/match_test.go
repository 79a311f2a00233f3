package store_test

import (
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// chart is a document of a size and shape as clinics have them.
func chart(tb testing.TB) store.Doc {
	tb.Helper()
	items := bson.A{}
	for i := range 20 {
		items = append(items, bson.D{{Key: "code", Value: fmt.Sprintf("c%d", i)}, {Key: "value", Value: float64(i) / 2}, {Key: "unit", Value: "mg"}})
	}
	d, err := bson.Marshal(bson.D{
		{Key: "_id", Value: bson.ObjectID{1}},
		{Key: "name", Value: bson.D{{Key: "last", Value: "Müller-Lüdenscheidt"}, {Key: "first", Value: bson.A{"Ann", "Marie"}}}},
		{Key: "items", Value: items},
		{Key: "tags", Value: bson.A{"a", "b", "c"}},
		{Key: "at", Value: bson.DateTime(1_700_000_000_000)},
		{Key: "n", Value: int32(7)},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

type sample struct {
	name   string
	filter store.Filter
	allocs float64
}

func samples() []sample {
	eq := func(path string, v any) store.Filter { return store.Eq{Path: path, Value: store.V(v)} }
	return []sample{
		{"Eq", eq("n", 7), 0},
		{"Eq through an array", eq("items.code", "c19"), 0},
		{"Eq on a Decimal128", eq("tags", dec("7")), 0},
		{"In", store.In{Path: "tags", Values: []store.Value{store.V("x"), store.V("c")}}, 0},
		{"Range", store.Range{Path: "at", Low: &store.Bound{Value: store.V(bson.DateTime(0))}, High: &store.Bound{Value: store.V(bson.DateTime(1 << 60))}}, 0},
		{"Elem", store.Elem{Path: "items", Where: store.And{eq("code", "c19"), store.Range{Path: "value", Low: &store.Bound{Value: store.V(9)}}}}, 0},
		{"Prefix", store.Prefix{Path: "name.last", Value: "Mül"}, 0},
		{"Contains", store.Contains{Path: "name.first", Value: "ari"}, 0},
		{"Prefix that is long", store.Prefix{Path: "name.last", Value: strings.Repeat("x", 100)}, 0},
		{"Contains that is long", store.Contains{Path: "name.last", Value: strings.Repeat("x", 100)}, 1},
		{"folded Contains on ASCII", store.Contains{Path: "tags", Value: "c", Fold: true}, 0},
		{"Not Exists", store.Not{Filter: store.Exists{Path: "gone", Want: true}}, 0},
		{"And of Or", store.And{store.Or{eq("n", 1), eq("n", 7)}, store.Not{Filter: eq("tags", "z")}}, 0},
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	d := chart(t)
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			if got := testing.AllocsPerRun(100, func() { store.Match(s.filter, d) }); got > s.allocs {
				t.Errorf("%v allocations, want at most %v", got, s.allocs)
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	d := chart(b)
	for _, s := range append(samples(), sample{name: "folded Prefix", filter: store.Prefix{Path: "name.last", Value: "muller", Fold: true}}) {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				store.Match(s.filter, d)
			}
		})
	}
}

// FuzzDocument reads and changes arbitrary bytes as a document. Nothing may
// panic, and what is made of a valid document is valid.
func FuzzDocument(f *testing.F) {
	whole := chart(f)
	f.Add([]byte(whole), "items.3.code", int64(5))
	f.Add([]byte(whole[:len(whole)/2]), "name.first.0", int64(-1))
	f.Add([]byte{5, 0, 0, 0, 0}, "a", int64(0))
	f.Fuzz(func(t *testing.T, b []byte, path string, n int64) {
		d := store.Doc(b)
		v := store.V(n)
		bound := &store.Bound{Value: v, Inclusive: true}
		filters := []store.Filter{
			store.Eq{Path: path, Value: v},
			store.Eq{Path: path, Value: store.Null()},
			store.In{Path: path, Values: []store.Value{v, store.V("a")}},
			store.Range{Path: path, Low: bound, High: bound},
			store.Prefix{Path: path, Value: "c", Fold: true},
			store.Contains{Path: path, Value: "\u00fc"},
			store.Exists{Path: path, Want: true},
			store.Elem{Path: path, Where: store.Eq{Value: v}},
			store.Elem{Path: "items", Where: store.Eq{Path: path, Value: v}},
		}
		for _, g := range filters {
			if store.Match(g, d) == store.Match(store.Not{Filter: g}, d) {
				t.Errorf("%#v and its Not agree", g)
			}
		}
		keys := []store.Key{{Path: path}, {Path: "items.code", Desc: true}}
		at := store.Position(keys, d)
		if store.ComparePositions(keys, at, at) != 0 {
			t.Error("a position differs from itself")
		}
		_, _ = store.Entries(store.Index{Name: "x", Keys: keys}, d) // may be refused
		_ = store.Lookup(d, path)
		valid := (store.Op{Kind: store.Insert, Collection: "c", Doc: d}).Validate() == nil
		changed, err := store.Updated(d, []store.Field{{Path: path, Value: v}}, []string{"gone.x"})
		if valid && err == nil && (store.Op{Kind: store.Insert, Collection: "c", Doc: changed}).Validate() != nil {
			t.Errorf("setting %q makes %x of %x", path, []byte(changed), b)
		}
		if small := store.Project(d, []string{path}); valid && small.Validate() != nil {
			t.Errorf("projecting on %q makes %x of %x", path, []byte(small), b)
		}
	})
}
