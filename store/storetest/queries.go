package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/store"
)

// wantFindError fails unless both Find and Count of q fail so.
func wantFindError(t *testing.T, s store.Store, q store.Query, want error) {
	t.Helper()
	n := 0
	for d, err := range s.Find(t.Context(), q) {
		n++
		if d != nil || !errors.Is(err, want) {
			t.Errorf("Find yields %v, %v, want %v", d, err, want)
		}
	}
	if n != 1 {
		t.Errorf("Find yields %d times, want once, with the error", n)
	}
}

func queries(g *group) {
	g.claim("an unknown collection is empty", func(t *testing.T, s store.Store, c string) {
		checkIDs(t, s, store.Query{Collection: c})
		if n, err := s.Count(t.Context(), store.Query{Collection: c}); n != 0 || err != nil {
			t.Errorf("Count = %d, %v", n, err)
		}
	})
	g.claim("a qualified collection is another than its plain namesake", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`)
		mustInsert(t, s, "clinic."+c, `{"a":1}`, `{"a":2}`)
		checkIDs(t, s, store.Query{Collection: "clinic." + c}, "1", "2")
		checkIDs(t, s, store.Query{Collection: c}, "1")
	})
	g.claim("a limit gives the first in order", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":3}`, `{"a":1}`, `{"a":2}`)
		checkIDs(t, s, store.Query{Collection: c, Order: asc("a"), Limit: 2}, "2", "3")
		checkIDs(t, s, store.Query{Collection: c, Order: asc("a"), Limit: 9}, "2", "3", "1")
	})
	g.claim("documents come back byte for byte", func(t *testing.T, s store.Store, c string) {
		d := doc(t, `{"_id":"x","z":1,"a":{"$numberLong":"1"},"a1":1.0,"n":null,"e":{},"l":[],"b":{"$binary":{"base64":"AAEC","subType":"80"}},"deep":{"y":[{"q":[[1]]}],"x":"é\u0000ü"}}`)
		must(t, s, inserts(c, d)...)
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{d})
	})
	g.claim("a projection keeps the named fields and _id, in the document's order", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"z":1,"b":{"x":1,"y":2},"a":[1]}`, `{"c":1}`)
		got := find(t, s, store.Query{Collection: c, Fields: []string{"a", "b", "nothing"}})
		same(t, "projected", got, []store.Doc{doc(t, `{"_id":1,"b":{"x":1,"y":2},"a":[1]}`), doc(t, `{"_id":2}`)})
	})
	g.claim("a projection on nothing keeps the _id", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"z":1}`)
		same(t, "projected", find(t, s, store.Query{Collection: c, Fields: []string{}}), []store.Doc{doc(t, `{"_id":1}`)})
	})
	g.claim("filter and order see fields that the projection leaves out", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1,"n":2}`, `{"a":1,"n":1}`, `{"a":2}`)
		got := find(t, s, store.Query{Collection: c, Where: eq("a", 1), Order: asc("n"), Fields: []string{"z"}})
		same(t, "projected", got, []store.Doc{doc(t, `{"_id":2}`), doc(t, `{"_id":1}`)})
	})
	g.claim("Count counts matches", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":[1,1]}`, `{"a":2}`)
		checkCount(t, s, store.Query{Collection: c}, 3)
		checkCount(t, s, store.Query{Collection: c, Where: eq("a", 1)}, 2)
	})
	g.claim("Count stops at its limit", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":1}`, `{"a":1}`)
		checkCount(t, s, store.Query{Collection: c, Where: eq("a", 1), Limit: 2}, 2)
		checkCount(t, s, store.Query{Collection: c, Where: eq("a", 1), Limit: 5}, 3)
	})
	g.claim("Count ignores order, cursor and fields", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":2}`)
		checkCount(t, s, store.Query{Collection: c, Order: asc("a"), After: store.Cursor{store.V(9), store.V(9)}, Fields: []string{"a"}}, 2)
	})
	g.claim("a found document belongs to the caller", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":2}`)
		before := find(t, s, store.Query{Collection: c})
		kept := texts(before)
		for _, d := range find(t, s, store.Query{Collection: c}) {
			clear(d[4:])
		}
		for _, d := range find(t, s, store.Query{Collection: c, Fields: []string{"a"}}) {
			clear(d[4:])
		}
		if diff := cmp.Diff(kept, texts(find(t, s, store.Query{Collection: c}))); diff != "" {
			t.Errorf("the stored documents changed (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(kept, texts(before)); diff != "" {
			t.Errorf("documents found earlier changed (-want +got):\n%s", diff)
		}
	})
	g.claim("an inserted document may be reused by the caller", func(t *testing.T, s store.Store, c string) {
		d := doc(t, `{"_id":1,"a":1}`)
		must(t, s, inserts(c, d)...)
		clear(d[4:])
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{doc(t, `{"_id":1,"a":1}`)})
	})
	g.claim("a search may be looped over twice", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`)
		found := s.Find(t.Context(), store.Query{Collection: c})
		loop := func() int {
			n := 0
			for _, err := range found {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			return n
		}
		once := loop()
		must(t, s, insert(c, doc(t, `{"_id":2}`)))
		if twice := loop(); once != 1 || twice != 2 {
			t.Errorf("the loops found %d, then %d, want 1, then 2", once, twice)
		}
	})
	invalidQueries(g)
}

func invalidQueries(g *group) {
	bad := map[string]store.Query{
		"an empty collection name":       {Collection: ""},
		"a collection name with $":       {Collection: "a$b"},
		"a collection name with NUL":     {Collection: "a\x00b"},
		"a path with an empty part":      {Collection: "c", Where: eq("a..b", 1)},
		"an empty path":                  {Collection: "c", Where: eq("", 1)},
		"a path with a $ part":           {Collection: "c", Where: eq("a.$where", 1)},
		"an operator for a path":         {Collection: "c", Where: eq("$where", "sleep(1000)")},
		"a path with NUL":                {Collection: "c", Where: eq("a\x00", 1)},
		"a missing value":                {Collection: "c", Where: store.Eq{Path: "a"}},
		"a missing value among others":   {Collection: "c", Where: store.In{Path: "a", Values: []store.Value{{}}}},
		"a Range without bounds":         {Collection: "c", Where: store.Range{Path: "a"}},
		"Not of nil":                     {Collection: "c", Where: store.Not{}},
		"And with nil in it":             {Collection: "c", Where: store.And{nil}},
		"Elem on an element and a field": {Collection: "c", Where: store.Elem{Path: "a", Where: store.And{eq("", 1), eq("b", 1)}}},
		"Elem of nil":                    {Collection: "c", Where: store.Elem{Path: "a"}},
		"a negative limit":               {Collection: "c", Limit: -1},
		"an order by a bad path":         {Collection: "c", Order: asc("a.")},
		"an order by a path given twice": {Collection: "c", Order: asc("a", "a")},
		"a projection on a dotted path":  {Collection: "c", Fields: []string{"a.b"}},
		"a projection on an operator":    {Collection: "c", Fields: []string{"$slice"}},
		"text that is not UTF-8":         {Collection: "c", Where: store.Prefix{Path: "a", Value: "\xff"}},
		"a filter that nests too deeply": {Collection: "c", Where: deep(500)},
		"a pointer to a filter":          {Collection: "c", Where: &store.Eq{Path: "a", Value: store.V(1)}},
	}
	for name, q := range bad {
		g.claim("invalid: "+name, func(t *testing.T, s store.Store, _ string) {
			wantFindError(t, s, q, store.ErrInvalid)
			if q.Limit < 0 || q.Order != nil || q.Fields != nil {
				return // Count has no use for these
			}
			if _, err := s.Count(t.Context(), q); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("Count: %v, want %v", err, store.ErrInvalid)
			}
		})
	}
}

// deep nests a filter n times.
func deep(n int) store.Filter {
	f := eq("a", 1)
	for range n {
		f = store.Not{Filter: f}
	}
	return f
}

func checkCount(t *testing.T, s store.Store, q store.Query, want int64) {
	t.Helper()
	if n, err := s.Count(t.Context(), q); n != want || err != nil {
		t.Errorf("Count(%+v) = %d, %v, want %d", q, n, err, want)
	}
}
