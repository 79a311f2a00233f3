package sqlite

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// charts makes a store of 2,000 documents as records are: entries k of which
// some are rare and some common, a date dt.
func charts(t *testing.T) *Store {
	t.Helper()
	s := open(t, t.TempDir(), Options{})
	err := s.Ensure(t.Context(), []store.Index{
		{Collection: "A", Name: "entries", Keys: []store.Key{{Path: "k"}, {Path: "dt", Desc: true}, {Path: "_id"}}},
		{Collection: "A", Name: "code", Keys: []store.Key{{Path: "code"}}, Sparse: true},
		{Collection: "A", Name: "date", Keys: []store.Key{{Path: "dt"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var ops []store.Op
	for i := range 2000 {
		doc := bson.D{
			{Key: "_id", Value: fmt.Sprintf("%04d", i*7919%2000)},
			{Key: "k", Value: bson.A{"all", fmt.Sprint("half", i%2), fmt.Sprint("rare", i%100), fmt.Sprint("odd", i%7)}},
			{Key: "dt", Value: time.UnixMilli(int64(i%500) * 86_400_000)},
		}
		if i%10 == 0 {
			doc = append(doc, bson.E{Key: "code", Value: i % 50})
		}
		data, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, store.Op{Kind: store.Insert, Collection: "A", Doc: data})
	}
	if err := s.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPlans(t *testing.T) {
	t.Parallel()
	s := charts(t)
	k := func(v string) store.Filter { return store.Eq{Path: "k", Value: store.V(v)} }
	newest := []store.Key{{Path: "dt", Desc: true}, {Path: "_id"}}
	day := func(n int) store.Value { return store.V(time.UnixMilli(int64(n) * 86_400_000)) }
	tests := []struct {
		name  string
		query store.Query
		want  store.Plan
		docs  int64 // at most
	}{
		{
			"an entry in the order of the index walks as far as the limit",
			store.Query{Where: k("half0"), Order: newest, Limit: 10},
			store.Plan{Index: "entries", Returned: 10},
			10,
		},
		{
			"the order of the index backwards",
			store.Query{Where: k("half0"), Order: []store.Key{{Path: "dt"}, {Path: "_id", Desc: true}}, Limit: 10},
			store.Plan{Index: "entries", Returned: 10},
			10,
		},
		{
			"of several entries the rarest drives, though it stands last",
			store.Query{Where: store.And{k("all"), k("half1"), k("rare33")}, Order: newest},
			store.Plan{Index: "entries", Returned: 20},
			20,
		},
		{
			"several values of an entry are merged in order",
			store.Query{
				Where: store.In{Path: "k", Values: []store.Value{store.V("rare1"), store.V("rare3"), store.V("odd2")}},
				Order: newest, Limit: 10,
			},
			store.Plan{Index: "entries", Returned: 10},
			20,
		},
		{
			"an Or about one path is merged like an In",
			store.Query{Where: store.Or{k("rare1"), k("rare3")}, Order: newest, Limit: 10},
			store.Plan{Index: "entries", Returned: 10},
			10,
		},
		{
			"a range behind an equality",
			store.Query{Where: store.And{
				k("half0"),
				store.Range{
					Path: "dt",
					Low:  &store.Bound{Value: day(100), Inclusive: true}, High: &store.Bound{Value: day(110)},
				},
			}, Order: newest},
			store.Plan{Index: "entries", Returned: 20},
			20,
		},
		{
			"a prefix of an entry, sorted by what the prefix does not order",
			store.Query{Where: store.Prefix{Path: "k", Value: "rare1"}, Order: newest, Limit: 5},
			store.Plan{Index: "entries", Returned: 5, Sorted: true},
			220,
		},
		{
			"a sparse index answers an equality",
			store.Query{Where: store.Eq{Path: "code", Value: store.V(20)}},
			store.Plan{Index: "code", Returned: 40},
			40,
		},
		{
			"a sparse index does not answer null",
			store.Query{Where: store.Eq{Path: "code", Value: store.Null()}, Limit: 3},
			store.Plan{Index: "_id", Returned: 3},
			10,
		},
		{
			"a condition that matches most documents leaves the walk to the order",
			store.Query{Where: store.And{k("all")}, Order: []store.Key{{Path: "dt"}}, Limit: 5},
			store.Plan{Index: "date", Returned: 5},
			10,
		},
		{
			"a sort by some entries walks through them",
			store.Query{Order: []store.Key{
				{Path: "k", Desc: true, Within: &store.Within{Stretches: []store.Stretch{{Prefix: "rare"}}, Required: true}}, {Path: "dt"}, {Path: "_id", Desc: true},
			}, Limit: 5, MaxSort: 10},
			store.Plan{Index: "entries", Returned: 5},
			5,
		},
		{
			"one _id",
			store.Query{Where: store.And{k("all"), store.Eq{Path: "_id", Value: store.V("0042")}}},
			store.Plan{Index: "_id", Returned: 1},
			1,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.query.Collection = "A"
			got, err := s.Explain(t.Context(), test.query)
			if err != nil {
				t.Fatal(err)
			}
			if got.Index != test.want.Index || got.Returned != test.want.Returned || got.Sorted != test.want.Sorted ||
				got.Docs > test.docs {
				t.Errorf("got %+v, want %+v and at most %d documents", got, test.want, test.docs)
			}
		})
	}
}

// A page costs the same wherever it lies: the cursor is where the walk begins.
func TestPagesCostTheSame(t *testing.T) {
	t.Parallel()
	s := charts(t)
	q := store.Query{
		Collection: "A", Where: store.Eq{Path: "k", Value: store.V("half1")},
		Order: []store.Key{{Path: "dt", Desc: true}, {Path: "_id"}}, Limit: 50,
	}
	var ids []string
	for {
		plan, err := s.Explain(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if plan.Docs > 50 || plan.Sorted {
			t.Fatalf("after %d documents: %+v", len(ids), plan)
		}
		n := 0
		for doc, err := range s.Find(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, store.ID(doc).StringValue())
			q.After = store.Position(q.Order, doc)
			n++
		}
		if n == 0 {
			break
		}
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 1000 || len(ids) != 1000 {
		t.Errorf("%d documents, %d different ones, want 1000", len(ids), n)
	}
}

func TestCounting(t *testing.T) {
	t.Parallel()
	s := charts(t)
	tests := []struct {
		where store.Filter
		limit int
		want  int64
	}{
		{nil, 0, 2000},
		{nil, 30, 30},
		{store.Eq{Path: "k", Value: store.V("half0")}, 0, 1000},
		{store.Eq{Path: "k", Value: store.V("half0")}, 10, 10},
		{store.In{Path: "k", Values: []store.Value{store.V("half0"), store.V("rare2"), store.V("rare3")}}, 0, 1020},
		{store.Prefix{Path: "k", Value: "rare"}, 0, 2000},
		{store.Prefix{Path: "k", Value: "rare"}, 70, 70},
		{store.Or{store.Eq{Path: "k", Value: store.V("all")}, store.Eq{Path: "k", Value: store.V("half1")}}, 0, 2000},
		{store.Not{Filter: store.Eq{Path: "k", Value: store.V("half0")}}, 0, 1000},
		{store.Exists{Path: "code", Want: false}, 0, 1800},
		{store.In{Path: "k"}, 0, 0},
	}
	for i, test := range tests {
		n, err := s.Count(t.Context(), store.Query{Collection: "A", Where: test.where, Limit: test.limit})
		if err != nil || n != test.want {
			t.Errorf("%d: %d, %v, want %d", i, n, err, test.want)
		}
	}
}

// However many values there are, a page of them in order looks at little more than
// what is on it.
func TestManyValuesAreMerged(t *testing.T) {
	t.Parallel()
	s := charts(t)
	var values []store.Value
	for i := range 100 {
		values = append(values, store.V(fmt.Sprint("rare", i)))
	}
	for i := range 3000 {
		values = append(values, store.V(fmt.Sprint("none", i)))
	}
	for _, desc := range []bool{true, false} {
		q := store.Query{
			Collection: "A", Where: store.In{Path: "k", Values: values},
			Order: []store.Key{{Path: "dt", Desc: desc}, {Path: "_id", Desc: !desc}}, Limit: 90,
		}
		plan, err := s.Explain(t.Context(), q)
		if err != nil || plan.Docs > 90 || plan.Sorted {
			t.Errorf("%+v, %v", plan, err)
		}
		var got, want []string
		for d, err := range s.Find(t.Context(), store.Query{Collection: "A", Order: q.Order}) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, store.ID(d).StringValue())
		}
		for len(got) < 2000 {
			before := len(got)
			for d, err := range s.Find(t.Context(), q) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, store.ID(d).StringValue())
				q.After = store.Position(q.Order, d)
			}
			if len(got) == before {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("descending %v: %d documents in another order than all %d have", desc, len(got), len(want))
		}
	}
}
