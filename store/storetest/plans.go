package storetest

import (
	"context"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// countExplainer is an Explainer that can also say how it would count.
type countExplainer interface {
	ExplainCount(ctx context.Context, q store.Query) (store.Plan, error)
}

// planClaim says what a search may examine. Zero bounds are not checked.
type planClaim struct {
	name     string
	query    store.Query
	index    string
	returned int64
	docs     int64 // at most
	keys     int64 // at most
	sorts    bool  // may sort
}

// plans checks that declared indexes are used, on a collection where scanning
// would show.
func plans(g *group) {
	e, ok := g.store.(store.Explainer)
	if !ok {
		g.T.Skip("the backend has no Explain")
	}
	n := int64(g.Docs)
	if n == 0 {
		n = 5000
	}
	c := g.collection()
	fill(g.T, g.store, c, int(n))
	for _, p := range planClaims(c, n) {
		g.claim(p.name, func(t *testing.T, _ store.Store, _ string) {
			plan, err := e.Explain(t.Context(), p.query)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", plan)
			if plan.Index != p.index || plan.Returned != p.returned {
				t.Errorf("%d found by %q, want %d by %q", plan.Returned, plan.Index, p.returned, p.index)
			}
			if plan.Docs > p.docs {
				t.Errorf("%d documents examined, want at most %d", plan.Docs, p.docs)
			}
			if plan.Keys > p.keys {
				t.Errorf("%d keys examined, want at most %d", plan.Keys, p.keys)
			}
			if plan.Sorted && !p.sorts {
				t.Error("the order came from sorting")
			}
		})
	}
	g.claim("counting by an index reads no document", func(t *testing.T, _ store.Store, _ string) {
		ce, ok := g.store.(countExplainer)
		if !ok {
			t.Skip("the backend cannot explain a count")
		}
		for _, f := range []store.Filter{eq("k", "all"), eq("code", "c7"), store.And{eq("pat", "p7"), eq("code", "c7")}} {
			q := store.Query{Collection: c, Where: f}
			plan, err := ce.ExplainCount(t.Context(), q)
			if err != nil || plan.Docs != 0 || plan.Index == "" {
				t.Errorf("ExplainCount(%#v) = %+v, %v", f, plan, err)
			}
			want := int64(len(find(t, g.store, q)))
			checkCount(t, g.store, q, want)
		}
	})
}

// fill inserts n documents as a clinic's collection has them: 50 patients, 100
// codes, a date, entries, a name.
func fill(t *testing.T, s store.Store, c string, n int) {
	t.Helper()
	ensure(t, s,
		store.Index{Collection: c, Name: "kdt", Keys: []store.Key{{Path: "k"}, {Path: "dt", Desc: true}, {Path: "_id"}}},
		store.Index{Collection: c, Name: "code", Keys: asc("code")},
		store.Index{Collection: c, Name: "patcode", Keys: []store.Key{{Path: "pat"}, {Path: "code"}, {Path: "dt", Desc: true}}},
		store.Index{Collection: c, Name: "name", Keys: asc("name")},
		store.Index{Collection: c, Name: "rare", Keys: asc("rare"), Sparse: true},
	)
	var ops []store.Op
	for i := range n {
		d := bson.D{
			{Key: "_id", Value: fmt.Sprintf("d%05d", (i*7919)%n)},
			{Key: "pat", Value: fmt.Sprintf("p%d", i%50)},
			{Key: "code", Value: fmt.Sprintf("c%d", i%100)},
			{Key: "dt", Value: bson.DateTime(int64(i) * 60_000)},
			{Key: "k", Value: bson.A{"all", fmt.Sprintf("one%d", i), fmt.Sprintf("few%d", i/10)}},
			{Key: "name", Value: fmt.Sprintf("name%05d", i)},
			{Key: "pad", Value: "document"},
		}
		if i%1000 == 0 {
			d = append(d, bson.E{Key: "rare", Value: i})
		}
		ops = append(ops, insert(c, mustMarshal(d)))
		if len(ops) == 1000 || i == n-1 {
			must(t, s, ops...)
			ops = nil
		}
	}
}

func planClaims(c string, n int64) []planClaim {
	recent := []store.Key{{Path: "dt", Desc: true}, {Path: "_id"}}
	late := store.Cursor{store.V(bson.DateTime((n - 100) * 60_000)), store.V("d00000")}
	few := []store.Value{store.V("few1"), store.V("few3"), store.V("few5")}
	from := func(path string, v any) store.Range {
		return store.Range{Path: path, Low: &store.Bound{Value: store.V(v), Inclusive: true}}
	}
	in := func(f store.Filter) store.Query { return store.Query{Collection: c, Where: f} }
	return []planClaim{
		{"a read by _id examines one document", in(eq("_id", "d00007")), "_id", 1, 1, 2, false},
		{"several _ids examine as many documents", in(store.In{Path: "_id", Values: []store.Value{store.V("d00001"), store.V("d00002"), store.V("none")}}), "_id", 2, 3, 5, false},
		{"an equality examines its hits", in(eq("code", "c7")), "code", n / 100, n / 100, n/100 + 1, true},
		{
			"a condition without an index leaves the index to the others",
			in(store.And{eq("pad", "document"), eq("k", "one77")}), "kdt", 1, 1, 2, true,
		},
		{
			"a page in the order of the index examines a page",
			store.Query{Collection: c, Where: eq("k", "all"), Order: recent, Limit: 10},
			"kdt", 10, 10, 12, false,
		},
		{
			"a page further on examines a page",
			store.Query{Collection: c, Where: eq("k", "all"), Order: recent, After: late, Limit: 10},
			"kdt", 10, 11, 13, false,
		},
		{
			"an equality and an order over a compound index examine a page",
			store.Query{Collection: c, Where: store.And{eq("pat", "p7"), eq("code", "c7")}, Order: []store.Key{{Path: "dt", Desc: true}, {Path: "_id", Desc: true}}, Limit: 5},
			"patcode", 5, n / 100, n/100 + 1, true,
		},
		{"In examines its hits", in(store.In{Path: "k", Values: few}), "kdt", 30, 30, 40, true},
		{"a Range over the second key is used", in(store.And{eq("k", "all"), from("dt", bson.DateTime((n-20)*60_000))}), "kdt", 20, 20, 22, true},
		{"Prefix examines a range of the index", in(store.Prefix{Path: "name", Value: "name0001"}), "name", 10, 10, 12, true},
		{
			"a Range on strings examines a range of the index",
			in(store.Range{Path: "name", Low: &store.Bound{Value: store.V("name00100"), Inclusive: true}, High: &store.Bound{Value: store.V("name00120")}}), "name", 20, 20, 22, true,
		},
		{"a Prefix on an array examines a range of the index", in(store.Prefix{Path: "k", Value: "one1234"}), "kdt", 1, 1, 3, true},
		{"a sparse index serves an equality", in(eq("rare", 1000)), "rare", 1, 1, 2, true},
	}
}
