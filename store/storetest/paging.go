package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

func paging(g *group) {
	g.claim("a cursor goes on strictly after its document", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":1}`, `{"a":2}`, `{"a":2}`)
		all := find(t, s, store.Query{Collection: c, Order: asc("a")})
		for i, d := range all {
			rest := find(t, s, store.Query{Collection: c, Order: asc("a"), After: store.Position(asc("a"), d)})
			same(t, fmt.Sprintf("after document %d", i), rest, all[i+1:])
		}
	})
	g.claim("a cursor survives being marshalled", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":"x"}`, `{"a":{"$date":"2024-01-01T00:00:00Z"}}`, `{}`)
		first := find(t, s, store.Query{Collection: c, Order: desc("a"), Limit: 1})
		after, err := store.UnmarshalCursor(store.Position(desc("a"), first[0]).Marshal())
		if err != nil {
			t.Fatal(err)
		}
		checkIDs(t, s, store.Query{Collection: c, Order: desc("a"), After: after}, "1", "3")
	})
	g.claim("a cursor stays valid when its document is gone", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":2}`, `{"a":3}`)
		after := store.Position(asc("a"), get(t, s, c, 2))
		must(t, s, store.Op{Kind: store.Delete, Collection: c, ID: store.V(2)})
		checkIDs(t, s, store.Query{Collection: c, Order: asc("a"), After: after}, "3")
	})
	g.claim("a cursor with a filter and a limit", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1,"k":1}`, `{"a":2}`, `{"a":3,"k":1}`, `{"a":4,"k":1}`, `{"a":5,"k":1}`)
		after := store.Position(asc("a"), get(t, s, c, 1))
		checkIDs(t, s, store.Query{Collection: c, Where: eq("k", 1), Order: asc("a"), After: after, Limit: 2}, "3", "4")
	})
	g.claim("a cursor that does not fit the order is refused", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`)
		wantFindError(t, s, store.Query{Collection: c, Order: asc("a"), After: store.Cursor{store.V(1)}}, store.ErrInvalid)
	})
	for name, order := range map[string][]store.Key{
		"by _id":                     nil,
		"ascending":                  asc("n"),
		"descending":                 desc("n"),
		"with ties":                  desc("tie"),
		"by an array":                asc("list"),
		"by two keys":                {{Path: "tie"}, {Path: "n", Desc: true}},
		"by a field that is missing": asc("nothing"),
	} {
		g.claim("what nobody changes appears exactly once, "+name+", while others write", func(t *testing.T, s store.Store, c string) {
			walkWhileWriting(t, s, c, order)
		})
	}
}

// walkWhileWriting pages through a collection in which only even documents stay
// as they are.
func walkWhileWriting(t *testing.T, s store.Store, c string, order []store.Key) {
	const n = 120
	var ops []store.Op
	var want []int
	for i := range n {
		ops = append(ops, store.Op{Kind: store.Insert, Collection: c, Doc: walked(i, i)})
		if i%2 == 0 {
			want = append(want, i)
		}
	}
	must(t, s, ops...)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for round := 1; ctx.Err() == nil; round++ {
			disturb(ctx, t, s, c, (2*round+1)%n, round)
		}
	})
	seen := map[int]int{}
	q := store.Query{Collection: c, Order: order, Limit: 7}
	for pages := 0; ; pages++ {
		page := find(t, s, q)
		if len(page) == 0 {
			break
		}
		if pages > 10*n {
			t.Error("there is no end of pages")
			break
		}
		for _, d := range page {
			seen[int(store.ID(d).AsInt64())]++
		}
		q.After = store.Position(order, page[len(page)-1])
	}
	cancel()
	wg.Wait()
	got := map[int]int{}
	for i, times := range seen {
		if i%2 == 0 && i < n {
			got[i] = times
		}
	}
	once := map[int]int{}
	for _, i := range want {
		once[i] = 1
	}
	if diff := cmp.Diff(once, got); diff != "" {
		t.Errorf("how often each unchanged document appeared (-want +got):\n%s", diff)
	}
}

// disturb moves document i to another place, or away and back.
func disturb(ctx context.Context, t *testing.T, s store.Store, c string, i, round int) {
	id := store.V(i)
	var err error
	if round%3 == 0 {
		err = s.Apply(ctx, []store.Op{
			{Kind: store.Delete, Collection: c, ID: id},
			{Kind: store.Insert, Collection: c, Doc: walked(1000+round, round)},
			{Kind: store.Delete, Collection: c, ID: store.V(1000 + round)},
			{Kind: store.Insert, Collection: c, Doc: walked(i, round)},
		})
	} else {
		err = s.Apply(ctx, []store.Op{{Kind: store.Replace, Collection: c, ID: id, Doc: walked(i, round%200)}})
	}
	if err != nil && ctx.Err() == nil {
		t.Errorf("write beside the walk: %v", err)
	}
}

// walked is document id whose place in every order depends on n.
func walked(id, n int) store.Doc {
	d, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "n", Value: n}, {Key: "tie", Value: n % 5}, {Key: "list", Value: bson.A{n, n + 10}}})
	if err != nil {
		panic(err)
	}
	return d
}
