package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/store"
)

// kinds holds one or two values of every kind, in order.
var kinds = []string{
	`{"$minKey":1}`, `[]`, `null`,
	`{"$numberDouble":"NaN"}`, `{"$numberDouble":"-Infinity"}`, `-1.5`, `{"$numberLong":"-1"}`, `0`, `{"$numberDecimal":"0.1"}`, `0.1`,
	`1`, `9007199254740992.0`, `{"$numberLong":"9007199254740993"}`, `{"$numberDouble":"Infinity"}`,
	`""`, `"A"`, `"a"`, `"ab"`, `"é"`,
	`{}`, `{"x":1}`, `{"x":1,"y":1}`, `{"y":0}`, `{"x":"s"}`,
	`{"$binary":{"base64":"CQ==","subType":"00"}}`, `{"$binary":{"base64":"AQ==","subType":"05"}}`, `{"$binary":{"base64":"AQI=","subType":"00"}}`,
	`{"$oid":"65a000000000000000000001"}`, `{"$oid":"65a000000000000000000002"}`,
	`false`, `true`,
	`{"$date":"1931-05-17T00:00:00Z"}`, `{"$date":"2024-01-01T00:00:00Z"}`,
	`{"$timestamp":{"t":5,"i":1}}`, `{"$timestamp":{"t":5,"i":2}}`,
	`{"$regularExpression":{"pattern":"a","options":""}}`,
	`{"$maxKey":1}`,
}

// orderClaim lists documents in the order that they should be found in.
type orderClaim struct {
	name  string
	order []store.Key
	want  []string
}

func orders(g *group) {
	decimals := func(json string) bool { return g.Random.NoDecimals && json == `{"$numberDecimal":"0.1"}` }
	var mixed, reversed []string
	for _, json := range kinds {
		if !decimals(json) {
			mixed = append(mixed, fmt.Sprintf(`{"a":%s}`, json))
		}
	}
	reversed = slices.Clone(mixed)
	slices.Reverse(reversed)
	claims := []orderClaim{
		{"values of all kinds have one order", asc("a"), mixed},
		{"descending is the reverse", desc("a"), reversed},
		{"missing sorts as null", asc("a"), docs{`{"a":[]}`, `{}`, `{"a":null}`, `{"x":1}`, `{"a":0}`}},
		{"an array sorts by its smallest element when ascending", asc("a"), docs{`{"a":[9,1]}`, `{"a":2}`, `{"a":[7,3,8]}`, `{"a":4}`}},
		{"an array sorts by its greatest element when descending", desc("a"), docs{`{"a":[9,1]}`, `{"a":[7,3,8]}`, `{"a":4}`, `{"a":2}`}},
		{"an array of mixed kinds sorts by its smallest when ascending", asc("a"), docs{`{"a":["x",null]}`, `{"a":1}`, `{"a":["x",2]}`, `{"a":"a"}`}},
		{"an array within an array sorts as an array", asc("a"), docs{`{"a":"z"}`, `{"a":{"x":1}}`, `{"a":[[1]]}`, `{"a":[[2]]}`, `{"a":true}`}},
		{"a dotted path sorts by the field of embedded documents", asc("a.b"), docs{`{"a":5}`, `{"a":{}}`, `{"a":{"b":1}}`, `{"a":{"b":2}}`}},
		{
			"a dotted path sorts through an array of documents", asc("a.b"),
			docs{`{"a":[{"b":5},{}]}`, `{"a":[{"b":7},{"b":1}]}`, `{"a":{"b":2}}`, `{"a":[{"b":3}]}`},
		},
		{
			"a dotted path sorts descending by the greatest in an array", desc("a.b"),
			docs{`{"a":[{"b":7},{"b":1}]}`, `{"a":[{"b":3}]}`, `{"a":{"b":2}}`, `{"a":[{}]}`},
		},
		{
			"two keys sort by the first, then the second",
			[]store.Key{{Path: "a"}, {Path: "b", Desc: true}},
			docs{`{"a":1,"b":9}`, `{"a":1,"b":2}`, `{"a":1}`, `{"a":2,"b":5}`},
		},
		{
			"two keys through one array sort by the first of its elements",
			[]store.Key{{Path: "a.x"}, {Path: "a.y", Desc: true}},
			docs{`{"a":[{"x":1,"y":10}]}`, `{"a":[{"x":1,"y":9},{"x":2,"y":99}]}`, `{"a":[{"x":1,"y":8}]}`},
		},
	}
	for _, c := range claims {
		g.claim(c.name, func(t *testing.T, s store.Store, collection string) { checkOrder(t, s, collection, c) })
	}
	g.claim("equal values are ordered by _id", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":1.0}`, `{"a":{"$numberLong":"1"}}`, `{"a":0}`)
		checkIDs(t, s, store.Query{Collection: c, Order: asc("a")}, "4", "1", "2", "3")
		checkIDs(t, s, store.Query{Collection: c, Order: desc("a")}, "3", "2", "1", "4")
	})
	g.claim("without an order documents come by _id", func(t *testing.T, s store.Store, c string) {
		must(t, s, inserts(c, doc(t, `{"_id":"b"}`), doc(t, `{"_id":3}`), doc(t, `{"_id":"a"}`), doc(t, `{"_id":2.5}`), doc(t, `{"_id":{"$oid":"65a000000000000000000001"}}`))...)
		checkIDs(t, s, store.Query{Collection: c}, `{"$numberDouble":"2.5"}`, "3", "a", "b", `{"$oid":"65a000000000000000000001"}`)
		checkIDs(t, s, store.Query{Collection: c, Order: desc("_id"), Limit: 2}, `{"$oid":"65a000000000000000000001"}`, "b")
	})
	g.claim("what stands behind _id in an order does not matter", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":3}`, `{"a":2}`, `{"a":1}`)
		checkIDs(t, s, store.Query{Collection: c, Order: []store.Key{{Path: "_id", Desc: true}, {Path: "a"}}}, "3", "2", "1")
	})
}

// checkOrder inserts the documents the wrong way round and wants them in order.
func checkOrder(t *testing.T, s store.Store, collection string, c orderClaim) {
	ds := numbered(t, c.want...)
	// Where values tie, _id decides: number against the direction in which the
	// documents are inserted, and along the order.
	if c.order[len(c.order)-1].Desc {
		for i := range ds {
			ds[i] = withID(t, len(ds)-i, c.want[i])
		}
	}
	shuffled := slices.Clone(ds)
	slices.Reverse(shuffled)
	must(t, s, inserts(collection, shuffled...)...)
	same(t, "order", find(t, s, store.Query{Collection: collection, Order: c.order}), ds)
	var paged []store.Doc
	q := store.Query{Collection: collection, Order: c.order, Limit: 2}
	for len(paged) <= len(ds) {
		page := find(t, s, q)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
		q.After = store.Position(c.order, page[len(page)-1])
	}
	same(t, "order in pages", paged, ds)
}

// withID gives a document an integer _id.
func withID(t tb, id int, json string) store.Doc {
	t.Helper()
	body := json[1:]
	if body != "}" {
		body = "," + body
	}
	return doc(t, fmt.Sprintf(`{"_id":%d%s`, id, body))
}

func checkIDs(t *testing.T, s store.Store, q store.Query, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, ids(t, s, q)); diff != "" {
		t.Errorf("%+v finds (-want +got):\n%s", q, diff)
	}
}
