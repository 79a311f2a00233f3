package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/store"
)

func ensure(t *testing.T, s store.Store, indexes ...store.Index) {
	t.Helper()
	if err := s.Ensure(t.Context(), indexes); err != nil {
		t.Fatalf("Ensure: %v", err)
	}
}

func unique(g *group) {
	u := func(c string, paths ...string) store.Index {
		return store.Index{Collection: c, Name: "u", Keys: asc(paths...), Unique: true}
	}
	taken := func(t *testing.T, s store.Store, op store.Op) {
		t.Helper()
		err := s.Apply(t.Context(), []store.Op{insert(op.Collection, doc(t, `{"_id":"first","a":"unrelated","b":"unrelated"}`)), op})
		wantOpError(t, err, 1, store.ErrExists)
		var oe *store.OpError
		if errors.As(err, &oe) && oe.Name != "u" {
			t.Errorf("the error names index %q, want u", oe.Name)
		}
		if get(t, s, op.Collection, "first") != nil {
			t.Error("the op before the failing one stayed")
		}
	}
	g.claim("a unique value is taken once", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, u(c, "a"))
		mustInsert(t, s, c, `{"a":1}`, `{"a":2}`)
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":1}`)))
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":1.0}`)))
		taken(t, s, set(c, 2, "a", 1))
		taken(t, s, replace(c, doc(t, `{"_id":2,"a":1}`)))
		same(t, "found", find(t, s, store.Query{Collection: c}), numbered(t, `{"a":1}`, `{"a":2}`))
	})
	g.claim("a unique value is free again after deletion and change", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, u(c, "a"))
		mustInsert(t, s, c, `{"a":1}`, `{"a":2}`)
		must(t, s, set(c, 1, "a", 3), set(c, 2, "a", 1), remove(c, 1), insert(c, doc(t, `{"_id":4,"a":3}`)))
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":3}`)))
		must(t, s, insert(c, doc(t, `{"_id":9,"a":2}`)))
	})
	g.claim("a document does not conflict with itself", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, u(c, "a"))
		mustInsert(t, s, c, `{"a":[1,1,2]}`)
		must(t, s, set(c, 1, "b", 1), replace(c, doc(t, `{"_id":1,"a":[2,1]}`)))
	})
	g.claim("missing counts as null in a unique index", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, u(c, "a"))
		mustInsert(t, s, c, `{}`)
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":null}`)))
		taken(t, s, insert(c, doc(t, `{"_id":9,"b":1}`)))
	})
	g.claim("a sparse unique index leaves missing out, but not null", func(t *testing.T, s store.Store, c string) {
		ix := u(c, "a")
		ix.Sparse = true
		ensure(t, s, ix)
		mustInsert(t, s, c, `{}`, `{}`, `{"b":1}`, `{"a":null}`, `{"a":1}`)
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":null}`)))
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":1}`)))
		checkIDs(t, s, store.Query{Collection: c, Where: eq("a", nil)}, "1", "2", "3", "4")
	})
	g.claim("a compound unique index is about the combination", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, u(c, "a", "b"))
		mustInsert(t, s, c, `{"a":1,"b":1}`, `{"a":1,"b":2}`, `{"a":2,"b":1}`, `{"a":1}`)
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":2,"b":1}`)))
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":1,"b":null}`)))
		must(t, s, insert(c, doc(t, `{"_id":9,"a":2,"b":2}`)))
	})
	g.claim("a sparse compound index leaves out only what has none of the fields", func(t *testing.T, s store.Store, c string) {
		ix := u(c, "a", "b")
		ix.Sparse = true
		ensure(t, s, ix)
		mustInsert(t, s, c, `{}`, `{"x":1}`, `{"a":1}`)
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":1}`)))
	})
	g.claim("a multikey unique index is about each element", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, u(c, "a"))
		mustInsert(t, s, c, `{"a":[1,2]}`, `{"a":[3]}`, `{"a":[]}`)
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":2}`)))
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":[5,3]}`)))
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":[]}`)))
		must(t, s, insert(c, doc(t, `{"_id":9,"a":null}`)))
	})
	g.claim("a multikey unique index reaches into documents", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, u(c, "a.sys", "a.val"))
		mustInsert(t, s, c, `{"a":[{"sys":"x","val":1},{"sys":"y","val":2}]}`)
		taken(t, s, insert(c, doc(t, `{"_id":9,"a":{"sys":"y","val":2}}`)))
		must(t, s, insert(c, doc(t, `{"_id":9,"a":{"sys":"x","val":2}}`)))
	})
	g.claim("values that differ by kind are different", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, u(c, "a"))
		mustInsert(t, s, c, `{"a":1}`, `{"a":"1"}`, `{"a":true}`, `{"a":"A"}`, `{"a":"a"}`, `{"a":"a\u0000"}`, `{"a":{"x":1}}`, `{"a":{"x":[1]}}`)
	})
	g.claim("a unique index over documents that break it is refused", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":1}`)
		if err := s.Ensure(t.Context(), []store.Index{u(c, "a")}); !errors.Is(err, store.ErrExists) {
			t.Errorf("Ensure: %v, want %v", err, store.ErrExists)
		}
		must(t, s, insert(c, doc(t, `{"_id":9,"a":1}`)))
	})
}

func indexes(g *group) {
	plain := func(c string) store.Index { return store.Index{Collection: c, Name: "ab", Keys: asc("a", "b")} }
	g.claim("an index changes no answer", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1,"b":[1,2]}`, `{"a":[1,3]}`, `{}`, `{"a":[]}`, `{"a":null}`)
		filters := []store.Filter{
			eq("a", 1), eq("a", nil),
			store.Not{Filter: eq("a", 1)},
			store.Exists{Path: "a"},
			store.Eq{Path: "a", Value: value(t, `[]`)},
			store.Eq{Path: "a", Value: value(t, `[1,3]`)},
			store.Range{Path: "a", Low: &store.Bound{Value: store.V(2)}, High: &store.Bound{Value: store.V(2)}},
			nil,
		}
		var before [][]string
		for _, f := range filters {
			before = append(before, ids(t, s, store.Query{Collection: c, Where: f, Order: asc("a")}))
		}
		ensure(t, s, plain(c), store.Index{Collection: c, Name: "sparse", Keys: asc("a"), Sparse: true})
		for i, f := range filters {
			checkIDs(t, s, store.Query{Collection: c, Where: f, Order: asc("a")}, before[i]...)
		}
	})
	g.claim("declaring an index again does nothing", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, plain(c))
		ensure(t, s, plain(c), plain(c))
	})
	g.claim("the same name with another definition is refused", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, plain(c))
		other := plain(c)
		other.Keys = asc("a", "c")
		if err := s.Ensure(t.Context(), []store.Index{other}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("Ensure: %v, want %v", err, store.ErrInvalid)
		}
	})
	g.claim("an index takes the place of others, there or not", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1,"b":2}`, `{"a":1,"b":1}`)
		next := store.Index{Collection: c, Name: "ba", Keys: asc("b", "a"), Replaces: []string{"ab", "never"}}
		ensure(t, s, plain(c), next)
		checkIDs(t, s, store.Query{Collection: c, Where: eq("a", 1), Order: asc("b")}, "2", "1")
		ensure(t, s, next)
		// The name is free.
		ensure(t, s, store.Index{Collection: c, Name: "ab", Keys: asc("c")})
	})
	g.claim("documents with the same keys in a loose index are in order", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, store.Index{Collection: c, Name: "loose", Keys: asc("a", "b", "_id"), Loose: true})
		mustInsert(t, s, c, `{"a":[1,2],"b":5}`, `{"a":[2,1],"b":5}`, `{"a":2,"b":4}`, `{"a":1,"b":5}`, `{"a":1,"b":5}`, `{"a":2,"b":5}`)
		for _, q := range []struct {
			where store.Filter
			order []store.Key
			want  []string
		}{
			{eq("a", 1), asc("b"), []string{"1", "2", "4", "5"}},
			{eq("a", 1), []store.Key{{Path: "b", Desc: true}, {Path: "_id"}}, []string{"1", "2", "4", "5"}},
			{eq("a", 2), desc("b"), []string{"6", "2", "1", "3"}},
			{store.In{Path: "a", Values: []store.Value{store.V(1), store.V(2)}}, asc("b"), []string{"3", "1", "2", "4", "5", "6"}},
			{nil, []store.Key{{Path: "a", Desc: true}, {Path: "b", Desc: true}}, []string{"6", "2", "1", "3", "5", "4"}},
		} {
			query := store.Query{Collection: c, Where: q.where, Order: q.order}
			checkIDs(t, s, query, q.want...)
			for i, d := range find(t, s, query) {
				query.After = store.Position(q.order, d)
				checkIDs(t, s, query, q.want[i+1:]...)
			}
		}
	})
	g.claim("a sort by some strings of an array, with an index and without", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":["x2","y1","y5"],"b":1}`, `{"a":["y3","x9"],"b":2}`, `{"a":["y1"],"b":1}`, `{"a":["x0"],"b":9}`, `{"b":1}`, `{"a":["z2"],"b":1}`, `{"a":["y1"],"b":2}`)
		y := []store.Stretch{{Prefix: "y"}}
		for range 2 {
			for _, q := range []struct {
				order []store.Key
				want  []string
			}{
				{[]store.Key{{Path: "a", Within: &store.Within{Stretches: y, Required: true}}, {Path: "b", Desc: true}, {Path: "_id"}}, []string{"7", "1", "3", "2"}},
				{[]store.Key{{Path: "a", Desc: true, Within: &store.Within{Stretches: y, Required: true}}, {Path: "b"}, {Path: "_id"}}, []string{"1", "2", "3", "7"}},
				{[]store.Key{{Path: "a", Within: &store.Within{Stretches: y}}}, []string{"1", "3", "7", "2", "4", "5", "6"}},
				{[]store.Key{{Path: "a", Desc: true, Within: &store.Within{Stretches: y}}, {Path: "_id"}}, []string{"1", "2", "3", "7", "4", "5", "6"}},
				{
					[]store.Key{{Path: "a", Within: &store.Within{Stretches: []store.Stretch{{Prefix: "x"}, {Prefix: "y", Low: "2", High: "5"}, {Prefix: "z"}}, Required: true}}, {Path: "b", Desc: true}},
					[]string{"4", "6", "1", "2"},
				},
			} {
				query := store.Query{Collection: c, Order: q.order}
				checkIDs(t, s, query, q.want...)
				for i, d := range find(t, s, query) {
					query.After = store.Position(q.order, d)
					checkIDs(t, s, query, q.want[i+1:]...)
				}
				query = store.Query{Collection: c, Order: q.order, Where: eq("b", 1), MaxSort: 10, Limit: 1}
				checkIDs(t, s, query, q.want[slices.IndexFunc(q.want, func(id string) bool { return strings.Contains("1356", id) })])
			}
			ensure(t, s, store.Index{Collection: c, Name: "loose", Keys: []store.Key{{Path: "a"}, {Path: "b", Desc: true}, {Path: "_id"}}, Loose: true})
		}
		costly := store.Query{Collection: c, Order: []store.Key{{Path: "a", Within: &store.Within{Stretches: y}}}, MaxSort: 5}
		wantFindError(t, s, costly, store.ErrTooCostly)
	})
	g.claim("the same name in another collection is another index", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, plain(c), store.Index{Collection: c + "x", Name: "ab", Keys: asc("z")})
	})
	g.claim("two arrays under one index are refused", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, plain(c))
		err := s.Apply(t.Context(), []store.Op{insert(c, doc(t, `{"_id":8}`)), insert(c, doc(t, `{"_id":9,"a":[1],"b":[1]}`))})
		wantOpError(t, err, 1, store.ErrInvalid)
		checkIDs(t, s, store.Query{Collection: c})
		must(t, s, insert(c, doc(t, `{"_id":1,"a":[1,2],"b":1}`)), insert(c, doc(t, `{"_id":2,"a":1,"b":[1]}`)))
		wantOpError(t, s.Apply(t.Context(), []store.Op{set(c, 1, "b", []int{1})}), 0, store.ErrInvalid)
	})
	g.claim("an index over documents that it cannot hold is refused", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":[1],"b":[1]}`)
		if err := s.Ensure(t.Context(), []store.Index{plain(c)}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("Ensure: %v, want %v", err, store.ErrInvalid)
		}
	})
	for name, ix := range map[string]store.Index{
		"no name":                 {Keys: asc("a")},
		"no keys":                 {Name: "x"},
		"a bad path":              {Name: "x", Keys: asc("a..b")},
		"a path twice":            {Name: "x", Keys: asc("a", "a")},
		"loose ends without _id":  {Name: "x", Keys: asc("a", "b"), Loose: true},
		"loose and unique keys":   {Name: "x", Keys: asc("a", "_id"), Loose: true, Unique: true},
		"nothing but loose ends":  {Name: "x", Keys: asc("_id"), Loose: true},
		"expiry over two keys":    {Name: "x", Keys: asc("a", "b"), ExpireAfter: time.Second},
		"expiry that is negative": {Name: "x", Keys: asc("a"), ExpireAfter: -time.Second},
	} {
		g.claim("invalid: an index with "+name, func(t *testing.T, s store.Store, c string) {
			ix.Collection = c
			if err := s.Ensure(t.Context(), []store.Index{ix}); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("Ensure: %v, want %v", err, store.ErrInvalid)
			}
		})
	}
	g.claim("documents vanish after the date in an expiring index", func(t *testing.T, s store.Store, c string) {
		if g.Sweep == nil {
			t.Skip("the backend cannot be told the time")
		}
		ensure(t, s, store.Index{Collection: c, Name: "exp", Keys: asc("at"), ExpireAfter: time.Hour})
		mustInsert(t, s, c, `{"at":{"$date":"2024-01-01T00:00:00Z"}}`, `{"at":{"$date":"2024-01-01T02:00:00Z"}}`, `{}`, `{"at":"2024-01-01"}`,
			`{"at":[{"$date":"2024-01-01T00:00:00Z"},{"$date":"2025-01-01T00:00:00Z"}]}`)
		g.Sweep(t, s, time.Date(2024, 1, 1, 0, 59, 59, 0, time.UTC))
		checkIDs(t, s, store.Query{Collection: c}, "1", "2", "3", "4", "5")
		g.Sweep(t, s, time.Date(2024, 1, 1, 1, 30, 0, 0, time.UTC))
		checkIDs(t, s, store.Query{Collection: c}, "2", "3", "4")
	})
}
