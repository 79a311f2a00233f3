package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/store"
)

// filterClaim says which documents a filter matches and which it does not. The
// documents are extended JSON without their _id.
type filterClaim struct {
	name    string
	filter  store.Filter
	matches []string
	misses  []string
}

func filters(g *group) {
	for _, table := range [][]filterClaim{eqClaims(g.T), arrayClaims(g.T), rangeClaims(g.T), textClaims(), elemClaims(), algebraClaims()} {
		for _, c := range table {
			g.claim(c.name, func(t *testing.T, s store.Store, collection string) {
				mustInsert(t, s, collection, append(c.matches[:len(c.matches):len(c.matches)], c.misses...)...)
				q := store.Query{Collection: collection, Where: c.filter}
				var got []string
				docs := append(c.matches[:len(c.matches):len(c.matches)], c.misses...)
				for _, d := range find(t, s, q) {
					got = append(got, docs[store.ID(d).AsInt64()-1])
				}
				if diff := cmp.Diff(c.matches, got); diff != "" {
					t.Errorf("%#v finds (-want +got):\n%s", c.filter, diff)
				}
				n, err := s.Count(t.Context(), q)
				if err != nil || n != int64(len(c.matches)) {
					t.Errorf("Count = %d, %v, want %d", n, err, len(c.matches))
				}
			})
		}
	}
}

type docs = []string

func eqClaims(t *testing.T) []filterClaim {
	eqJSON := func(json string) store.Filter { return store.Eq{Path: "a", Value: value(t, json)} }
	return []filterClaim{
		{
			"Eq on an integer takes numbers of the other types", eq("a", 5),
			docs{`{"a":5}`, `{"a":5.0}`, `{"a":{"$numberLong":"5"}}`},
			docs{`{"a":"5"}`, `{"a":5.5}`, `{"a":true}`, `{"a":null}`, `{}`},
		},
		{
			"Eq on an integer takes an equal Decimal128", eq("a", 5),
			docs{`{"a":{"$numberDecimal":"5.00"}}`},
			docs{`{"a":{"$numberDecimal":"5.01"}}`},
		},
		{
			"Eq on a Decimal128 is exact", eqJSON(`{"$numberDecimal":"0.1"}`),
			docs{`{"a":{"$numberDecimal":"0.10"}}`},
			docs{`{"a":0.1}`},
		},
		{
			"Eq on a large integer is exact", eqJSON(`{"$numberLong":"9007199254740993"}`),
			docs{`{"a":{"$numberLong":"9007199254740993"}}`},
			docs{`{"a":9007199254740992.0}`, `{"a":{"$numberLong":"9007199254740992"}}`},
		},
		{
			"Eq on NaN takes NaN", eqJSON(`{"$numberDouble":"NaN"}`),
			docs{`{"a":{"$numberDouble":"NaN"}}`},
			docs{`{"a":0}`, `{"a":null}`, `{}`},
		},
		{"Eq on zero takes minus zero", eq("a", 0), docs{`{"a":-0.0}`, `{"a":0}`}, docs{`{}`}},
		{
			"Eq on an infinity takes only it", eqJSON(`{"$numberDouble":"Infinity"}`),
			docs{`{"a":{"$numberDouble":"Infinity"}}`},
			docs{`{"a":{"$numberDouble":"-Infinity"}}`, `{"a":1e308}`},
		},
		{
			"Eq on a string takes exactly that string", eq("a", "ab"),
			docs{`{"a":"ab"}`},
			docs{`{"a":"Ab"}`, `{"a":"abc"}`, `{"a":"ab "}`, `{"a":""}`},
		},
		{
			"Eq on the empty string does not take missing or null", eq("a", ""),
			docs{`{"a":""}`},
			docs{`{"a":null}`, `{}`},
		},
		{
			"Eq null takes null and missing", eq("a", nil),
			docs{`{"a":null}`, `{}`, `{"b":1}`},
			docs{`{"a":0}`, `{"a":false}`, `{"a":""}`, `{"a":[]}`, `{"a":{}}`},
		},
		{"Eq null takes an array with null in it", eq("a", nil), docs{`{"a":[1,null]}`}, docs{`{"a":[1]}`}},
		{
			"Eq null on a dotted path takes a missing parent and a scalar one", eq("a.b", nil),
			docs{`{}`, `{"a":{}}`, `{"a":5}`, `{"a":null}`, `{"a":{"b":null}}`},
			docs{`{"a":{"b":1}}`},
		},
		{
			"Eq null through an array needs a document without the field", eq("a.b", nil),
			docs{`{"a":[{}]}`, `{"a":[{"b":1},{"c":1}]}`, `{"a":[{"b":null}]}`},
			docs{`{"a":[]}`, `{"a":[1,2]}`, `{"a":[{"b":1}]}`, `{"a":[[{}]]}`},
		},
		{"Eq on a bool takes no number", eq("a", true), docs{`{"a":true}`}, docs{`{"a":1}`, `{"a":false}`, `{"a":"true"}`}},
		{
			"Eq on a date takes the same millisecond", eqJSON(`{"$date":"2024-02-29T12:00:00.001Z"}`),
			docs{`{"a":{"$date":"2024-02-29T13:00:00.001+01:00"}}`},
			docs{`{"a":{"$date":"2024-02-29T12:00:00.000Z"}}`, `{"a":"2024-02-29T12:00:00.001Z"}`, `{"a":{"$numberLong":"1709208000001"}}`},
		},
		{
			"Eq on an ObjectId takes no string", eqJSON(`{"$oid":"65a000000000000000000001"}`),
			docs{`{"a":{"$oid":"65a000000000000000000001"}}`},
			docs{`{"a":"65a000000000000000000001"}`, `{"a":{"$oid":"65a000000000000000000002"}}`},
		},
		{
			"Eq on binary compares subtype and bytes", eqJSON(`{"$binary":{"base64":"AQI=","subType":"00"}}`),
			docs{`{"a":{"$binary":{"base64":"AQI=","subType":"00"}}}`},
			docs{`{"a":{"$binary":{"base64":"AQI=","subType":"80"}}}`, `{"a":{"$binary":{"base64":"AQ==","subType":"00"}}}`},
		},
		{
			"Eq on a document takes the same fields in the same order", eqJSON(`{"x":1,"y":2}`),
			docs{`{"a":{"x":1,"y":2}}`, `{"a":{"x":1.0,"y":2}}`, `{"a":[0,{"x":1,"y":2}]}`},
			docs{`{"a":{"y":2,"x":1}}`, `{"a":{"x":1}}`, `{"a":{"x":1,"y":2,"z":3}}`, `{"a":{"x":1,"w":2}}`},
		},
		{
			"Eq on a dotted path reaches into documents", eq("a.b.c", 1),
			docs{`{"a":{"b":{"c":1}}}`},
			docs{`{"a":{"b":1}}`, `{"a":{"c":1}}`, `{"a":{"b":{"c":2}}}`, `{}`},
		},
		{
			"In takes any of its values",
			store.In{Path: "a", Values: []store.Value{store.V(1), store.V("x")}},
			docs{`{"a":1}`, `{"a":"x"}`, `{"a":[5,"x"]}`, `{"a":1.0}`},
			docs{`{"a":2}`, `{}`, `{"a":"1"}`},
		},
		{
			"In with null takes missing",
			store.In{Path: "a", Values: []store.Value{store.V(1), store.Null()}},
			docs{`{"a":1}`, `{}`, `{"a":null}`},
			docs{`{"a":2}`},
		},
		{"In without values takes nothing", store.In{Path: "a"}, nil, docs{`{"a":1}`, `{}`, `{"a":null}`}},
		{"Eq on _id finds by _id", eq("_id", 1), docs{`{"a":1}`}, docs{`{"a":2}`}},
	}
}

func arrayClaims(t *testing.T) []filterClaim {
	return []filterClaim{
		{"Eq takes an array with an equal element", eq("a", 2), docs{`{"a":[1,2]}`, `{"a":2}`}, docs{`{"a":[1]}`, `{"a":[]}`, `{"a":[[2]]}`}},
		{
			"Eq on an array takes the whole array or an element",
			store.Eq{Path: "a", Value: value(t, `[1,2]`)},
			docs{`{"a":[1,2]}`, `{"a":[[1,2],3]}`, `{"a":[1.0,2]}`},
			docs{`{"a":[2,1]}`, `{"a":[1]}`, `{"a":[1,2,3]}`, `{"a":1}`},
		},
		{
			"Eq on the empty array takes the empty array",
			store.Eq{Path: "a", Value: value(t, `[]`)},
			docs{`{"a":[]}`, `{"a":[1,[]]}`},
			docs{`{"a":[1]}`, `{"a":null}`, `{}`},
		},
		{
			"Eq reaches into documents within an array", eq("a.b", 2),
			docs{`{"a":[{"b":1},{"b":2}]}`, `{"a":{"b":2}}`, `{"a":[{"b":[1,2]}]}`},
			docs{`{"a":[{"b":1}]}`, `{"a":[[{"b":2}]]}`, `{"a":[2]}`},
		},
		{
			"Eq reaches through arrays within arrays of documents", eq("a.b.c", 1),
			docs{`{"a":[{"b":[{"c":0},{"c":1}]}]}`, `{"a":{"b":[{"c":1}]}}`},
			docs{`{"a":[{"b":[{"c":0}]}]}`},
		},
		{"a number in a path is an array position", eq("a.1", 7), docs{`{"a":[5,7,3]}`}, docs{`{"a":[7,5]}`, `{"a":[7]}`, `{"a":7}`}},
		{"a number in a path is a field of a document", eq("a.1", 7), docs{`{"a":{"1":7}}`}, docs{`{"a":{"0":7}}`}},
		{
			"a number in a path is also a field of documents in the array", eq("a.1", 7),
			docs{`{"a":[{"1":7}]}`, `{"a":[5,{"1":7}]}`},
			docs{`{"a":[{"0":7}]}`},
		},
		{"a position at the end of a path takes the element whole", eq("a.0", 1), docs{`{"a":[1]}`}, docs{`{"a":[[1]]}`}},
		{
			"a position in mid-path reaches into the element", eq("a.1.b", 4),
			docs{`{"a":[5,{"b":4},3]}`, `{"a":[5,[{"b":4}]]}`},
			docs{`{"a":[{"b":4},5]}`},
		},
		{"positions reach into arrays within arrays", eq("a.0.1", 2), docs{`{"a":[[1,2]]}`}, docs{`{"a":[[2,1]]}`, `{"a":[1,2]}`}},
		{"a position with a leading zero is a name", eq("a.01", 7), docs{`{"a":{"01":7}}`}, docs{`{"a":[5,7]}`}},
		{"Exists takes null", store.Exists{Path: "a", Want: true}, docs{`{"a":null}`, `{"a":1}`, `{"a":[]}`, `{"a":{}}`}, docs{`{}`, `{"b":1}`}},
		{"not Exists takes only missing", store.Exists{Path: "a"}, docs{`{}`, `{"b":1}`}, docs{`{"a":null}`, `{"a":[]}`}},
		{
			"Exists through an array needs one document with the field",
			store.Exists{Path: "a.b", Want: true},
			docs{`{"a":[{},{"b":null}]}`, `{"a":{"b":1}}`},
			docs{`{"a":[]}`, `{"a":[{}]}`, `{"a":[1]}`, `{"a":1}`},
		},
		{
			"not Exists through an array needs all documents without the field",
			store.Exists{Path: "a.b"},
			docs{`{"a":[]}`, `{"a":[{}]}`, `{"a":[1]}`, `{"a":1}`},
			docs{`{"a":[{},{"b":1}]}`, `{"a":{"b":1}}`},
		},
		{"Exists on a position asks for the length", store.Exists{Path: "a.1", Want: true}, docs{`{"a":[1,2]}`}, docs{`{"a":[1]}`, `{"a":1}`}},
	}
}

func rangeClaims(t *testing.T) []filterClaim {
	low := func(json string, inclusive bool) store.Filter {
		return store.Range{Path: "a", Low: &store.Bound{Value: value(t, json), Inclusive: inclusive}}
	}
	high := func(json string, inclusive bool) store.Filter {
		return store.Range{Path: "a", High: &store.Bound{Value: value(t, json), Inclusive: inclusive}}
	}
	between := func(lo, hi string) store.Filter {
		return store.Range{Path: "a", Low: &store.Bound{Value: value(t, lo), Inclusive: true}, High: &store.Bound{Value: value(t, hi)}}
	}
	within := func(lo, hi any) store.Filter {
		return store.Elem{Path: "a", Where: store.Range{Low: &store.Bound{Value: store.V(lo), Inclusive: true}, High: &store.Bound{Value: store.V(hi)}}}
	}
	return []filterClaim{
		{"Range includes its bound only when told", low(`5`, false), docs{`{"a":6}`, `{"a":5.1}`}, docs{`{"a":5}`, `{"a":4}`}},
		{"Range with an inclusive bound includes it", low(`5`, true), docs{`{"a":5}`, `{"a":5.0}`, `{"a":6}`}, docs{`{"a":4}`}},
		{
			"Range takes only its own kind", low(`1`, true),
			docs{`{"a":2}`},
			docs{`{"a":"2"}`, `{"a":true}`, `{"a":{"$date":"2024-01-01T00:00:00Z"}}`, `{"a":null}`, `{}`, `{"a":{}}`},
		},
		{"Range on strings compares bytes", between(`"b"`, `"d"`), docs{`{"a":"b"}`, `{"a":"czz"}`}, docs{`{"a":"a"}`, `{"a":"d"}`, `{"a":"C"}`, `{"a":3}`}},
		{
			"Range on dates", between(`{"$date":"2024-01-01T00:00:00Z"}`, `{"$date":"2025-01-01T00:00:00Z"}`),
			docs{`{"a":{"$date":"2024-01-01T00:00:00Z"}}`, `{"a":{"$date":"2024-12-31T23:59:59.999Z"}}`},
			docs{`{"a":{"$date":"2025-01-01T00:00:00Z"}}`, `{"a":{"$date":"2023-12-31T23:59:59.999Z"}}`, `{"a":"2024-06-01"}`},
		},
		{
			"Range on dates before 1970", high(`{"$date":"1970-01-01T00:00:00Z"}`, false),
			docs{`{"a":{"$date":"1931-05-17T00:00:00Z"}}`},
			docs{`{"a":{"$date":"1970-01-01T00:00:00Z"}}`},
		},
		{
			"Range on ObjectIds", low(`{"$oid":"65a000000000000000000001"}`, false),
			docs{`{"a":{"$oid":"65a000000000000000000002"}}`},
			docs{`{"a":{"$oid":"65a000000000000000000001"}}`, `{"a":"z"}`},
		},
		{"Range on bools", low(`false`, false), docs{`{"a":true}`}, docs{`{"a":false}`, `{"a":1}`}},
		{
			"Range on timestamps", low(`{"$timestamp":{"t":5,"i":1}}`, false),
			docs{`{"a":{"$timestamp":{"t":5,"i":2}}}`, `{"a":{"$timestamp":{"t":6,"i":1}}}`},
			docs{`{"a":{"$timestamp":{"t":5,"i":1}}}`, `{"a":{"$date":"2024-01-01T00:00:00Z"}}`},
		},
		{
			"Range on binary compares length, subtype, bytes", low(`{"$binary":{"base64":"CQ==","subType":"00"}}`, false),
			docs{`{"a":{"$binary":{"base64":"AQI=","subType":"00"}}}`, `{"a":{"$binary":{"base64":"AQ==","subType":"05"}}}`},
			docs{`{"a":{"$binary":{"base64":"CA==","subType":"00"}}}`},
		},
		{
			"Range on documents compares field by field", low(`{"x":1}`, false),
			docs{`{"a":{"x":2}}`, `{"a":{"x":1,"y":0}}`, `{"a":{"y":0}}`, `{"a":{"x":"s"}}`},
			docs{`{"a":{"x":1}}`, `{"a":{}}`, `{"a":5}`},
		},
		{
			"Range is exact beyond the integers of a double", low(`9007199254740992.0`, false),
			docs{`{"a":{"$numberLong":"9007199254740993"}}`},
			docs{`{"a":{"$numberLong":"9007199254740992"}}`},
		},
		{
			"Range compares Decimal128 with doubles exactly", low(`0.1`, false),
			docs{`{"a":{"$numberDecimal":"0.2"}}`},
			docs{`{"a":{"$numberDecimal":"0.1"}}`, `{"a":{"$numberDecimal":"-1"}}`},
		},
		{"NaN lies in no range", store.Or{low(`0`, true), high(`0`, true)}, docs{`{"a":1}`}, docs{`{"a":{"$numberDouble":"NaN"}}`}},
		{
			"an inclusive NaN bound takes only NaN", low(`{"$numberDouble":"NaN"}`, true),
			docs{`{"a":{"$numberDouble":"NaN"}}`},
			docs{`{"a":0}`, `{}`},
		},
		{"an inclusive null bound takes null and missing", low(`null`, true), docs{`{"a":null}`, `{}`}, docs{`{"a":0}`, `{"a":[]}`}},
		{"an exclusive null bound takes nothing", high(`null`, false), nil, docs{`{"a":null}`, `{}`, `{"a":-1}`}},
		{
			"MinKey and MaxKey bound all kinds",
			store.Range{Path: "a", Low: &store.Bound{Value: value(t, `{"$minKey":1}`)}, High: &store.Bound{Value: value(t, `{"$maxKey":1}`)}},
			docs{`{"a":1}`, `{"a":"x"}`, `{"a":null}`, `{}`},
			nil,
		},
		{"Range takes an array with an element in it", low(`5`, true), docs{`{"a":[1,7]}`}, docs{`{"a":[1,2]}`, `{"a":[]}`, `{"a":[[7]]}`}},
		{"each bound of a Range may be met by another element", between(`5`, `6`), docs{`{"a":[1,9]}`, `{"a":5}`}, docs{`{"a":[1,2]}`, `{"a":[8,9]}`, `{"a":6}`}},
		{"Range within Elem is met by one element", within(5, 6), docs{`{"a":[1,5]}`}, docs{`{"a":[1,9]}`, `{"a":5}`, `{"a":[]}`}},
		{
			"Range through an array of documents",
			store.Range{Path: "a.b", Low: &store.Bound{Value: store.V(5)}},
			docs{`{"a":[{"b":1},{"b":6}]}`},
			docs{`{"a":[{"b":1}]}`, `{"a":[6]}`},
		},
		{
			"Range with an array bound compares whole arrays", low(`[1,2]`, false),
			docs{`{"a":[1,3]}`, `{"a":[2]}`, `{"a":[1,2,0]}`},
			docs{`{"a":[1,2]}`, `{"a":[1]}`, `{"a":9}`},
		},
	}
}

func textClaims() []filterClaim {
	prefix := func(s string, fold bool) store.Filter { return store.Prefix{Path: "a", Value: s, Fold: fold} }
	contains := func(s string, fold bool) store.Filter { return store.Contains{Path: "a", Value: s, Fold: fold} }
	return []filterClaim{
		{"Prefix takes strings that start so", prefix("ab", false), docs{`{"a":"ab"}`, `{"a":"abc"}`, `{"a":["x","abx"]}`}, docs{`{"a":"Abc"}`, `{"a":"xab"}`, `{"a":"a"}`, `{"a":1}`, `{}`}},
		{"the empty Prefix takes every string", prefix("", false), docs{`{"a":""}`, `{"a":"x"}`}, docs{`{"a":1}`, `{"a":null}`, `{}`}},
		{"Prefix is no pattern", prefix("a.*(", false), docs{`{"a":"a.*(b"}`}, docs{`{"a":"abc("}`}},
		{"Prefix knows no escapes", prefix(`\E^`, false), docs{`{"a":"\\E^x"}`}, docs{`{"a":"x"}`, `{"a":""}`}},
		{"Prefix looks at the start, not at lines", prefix("b", false), docs{`{"a":"b"}`}, docs{`{"a":"a\nb"}`}},
		{"folded Prefix ignores case", prefix("SMI", true), docs{`{"a":"smith"}`, `{"a":"Smithers"}`, `{"a":"SMI"}`}, docs{`{"a":"Asmith"}`, `{"a":"sm"}`}},
		{"folded Prefix ignores accents", prefix("muller", true), docs{`{"a":"Müller"}`, `{"a":"Mu\u0308ller"}`, `{"a":"MÜLLER-LÜDENSCHEIDT"}`}, docs{`{"a":"Mueller"}`}},
		{"a folded Prefix with accents takes text without", prefix("Åse", true), docs{`{"a":"Ase"}`, `{"a":"ÅSE"}`}, docs{`{"a":"Aase"}`}},
		{
			"folding spells letters that have no accent", prefix("soren aeroe strasse lodz", true),
			docs{`{"a":"Søren Ærøe Straße Łódź"}`},
			docs{`{"a":"S ren"}`},
		},
		{"folding knows other alphabets", prefix("ΣΊΣΥΦΟΣ", true), docs{`{"a":"Σίσυφος"}`}, docs{`{"a":"Σύσιφος"}`}},
		{"Contains takes strings with it inside", contains("bc", false), docs{`{"a":"abcd"}`, `{"a":"bc"}`, `{"a":["x","bc"]}`}, docs{`{"a":"aBCd"}`, `{"a":"b"}`, `{"a":5}`}},
		{"Contains is no pattern", contains(".", false), docs{`{"a":"a.b"}`}, docs{`{"a":"ab"}`}},
		{"folded Contains ignores case and accents", contains("élan", true), docs{`{"a":"Le ELAN vital"}`, `{"a":"élan"}`}, docs{`{"a":"plan"}`, `{"a":"el an"}`}},
		{"Prefix on a dotted path", store.Prefix{Path: "n.f", Value: "x"}, docs{`{"n":[{"f":"y"},{"f":"xa"}]}`, `{"n":{"f":"x"}}`}, docs{`{"n":"x"}`}},
	}
}
