package mongo

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

func eq(path string, v any) store.Filter { return store.Eq{Path: path, Value: store.V(v)} }

func TestFiltersInMongoDBsLanguage(t *testing.T) {
	t.Parallel()
	evil := bson.D{{Key: "$gt", Value: ""}}
	low, high := &store.Bound{Value: store.V(1), Inclusive: true}, &store.Bound{Value: store.V(9)}
	tests := []struct {
		claim  string
		filter store.Filter
		want   string
		exact  bool
	}{
		{"nothing asked is everything", nil, `{}`, true},
		{"all", store.All(), `{}`, true},
		{"none", store.None(), `{"_id":{"$in":[]}}`, true},
		{"a value is a literal", eq("a", evil), `{"a":{"$eq":{"$gt":""}}}`, true},
		{"a string is a literal", eq("a", "$where"), `{"a":{"$eq":"$where"}}`, true},
		{"an _id in the form that 4.4 takes a short cut for", eq("_id", "x"), `{"_id":"x"}`, true},
		{"but not a document", eq("_id", evil), `{"_id":{"$eq":{"$gt":""}}}`, true},
		{"In", store.In{Path: "a", Values: []store.Value{store.V(1), store.V(nil)}}, `{"a":{"$in":[1,null]}}`, true},
		{"In nothing", store.In{Path: "a"}, `{"_id":{"$in":[]}}`, true},
		{
			"In with what looks like an operator",
			store.In{Path: "a", Values: []store.Value{store.V(1), store.V(evil)}},
			`{"$or":[{"a":{"$eq":{"$gt":""}}},{"a":{"$in":[1]}}]}`, true,
		},
		{"Range", store.Range{Path: "a", Low: low, High: high}, `{"a":{"$gte":1,"$lt":9}}`, true},
		{"Prefix escapes what has a meaning", store.Prefix{Path: "a", Value: ".*a-b\\$"}, `{"a":{"$regex":"^\\.\\*a\\-b\\\\\\$"}}`, true},
		{"a NUL byte in a pattern", store.Prefix{Path: "a", Value: "\x00"}, `{"a":{"$regex":"^\\x00"}}`, true},
		{"Contains", store.Contains{Path: "a", Value: "b"}, `{"a":{"$regex":"b"}}`, true},
		{"Contains the empty text", store.Contains{Path: "a"}, `{"a":{"$regex":""}}`, true},
		{"Prefix with Fold and only marks", store.Prefix{Path: "a", Value: "\u0301", Fold: true}, `{"a":{"$regex":""}}`, true},
		{"Exists", store.Exists{Path: "a", Want: true}, `{"a":{"$exists":true}}`, true},
		{"And of different paths is one document", store.And{eq("a", 1), eq("b", 2)}, `{"a":{"$eq":1},"b":{"$eq":2}}`, true},
		{"And of one path", store.And{eq("a", 1), eq("a", 2)}, `{"a":{"$eq":1},"$and":[{"a":{"$eq":2}}]}`, true},
		{
			"And of three of one path",
			store.And{eq("a", 1), eq("a", 2), eq("a", 3)},
			`{"$and":[{"a":{"$eq":1},"$and":[{"a":{"$eq":2}}]},{"a":{"$eq":3}}]}`, true,
		},
		{"And with none", store.And{eq("a", 1), store.None()}, `{"_id":{"$in":[]}}`, true},
		{"Or", store.Or{eq("a", 1), eq("b", 2)}, `{"$or":[{"a":{"$eq":1}},{"b":{"$eq":2}}]}`, true},
		{
			"two Ors",
			store.And{store.Or{eq("a", 1), eq("b", 2)}, store.Or{eq("c", 1), eq("d", 2)}},
			`{"$or":[{"a":{"$eq":1}},{"b":{"$eq":2}}],"$and":[{"$or":[{"c":{"$eq":1}},{"d":{"$eq":2}}]}]}`, true,
		},
		{"Or with all", store.Or{eq("a", 1), store.All()}, `{}`, true},
		{"Not of a condition keeps its path", store.Not{Filter: eq("a", 1)}, `{"a":{"$not":{"$eq":1}}}`, true},
		{"Not of an _id", store.Not{Filter: eq("_id", "x")}, `{"_id":{"$not":{"$eq":"x"}}}`, true},
		{"Not of Not", store.Not{Filter: store.Not{Filter: eq("a", 1)}}, `{"$nor":[{"a":{"$not":{"$eq":1}}}]}`, true},
		{"Not of several", store.Not{Filter: store.And{eq("a", 1), eq("b", 2)}}, `{"$nor":[{"a":{"$eq":1},"b":{"$eq":2}}]}`, true},
		{"Not of none", store.Not{Filter: store.None()}, `{}`, true},
		{"Not of all", store.Not{Filter: store.All()}, `{"_id":{"$in":[]}}`, true},
		{
			"Elem on fields",
			store.Elem{Path: "a", Where: store.And{eq("x", 1), eq("y", 2)}},
			`{"a":{"$elemMatch":{"x":{"$eq":1},"y":{"$eq":2}}}}`, true,
		},
		{"Elem on itself", store.Elem{Path: "a", Where: store.Range{Low: low, High: high}}, `{"a":{"$elemMatch":{"$gte":1,"$lt":9}}}`, true},
		{"Elem of any element", store.Elem{Path: "a", Where: store.All()}, `{"a":{"$elemMatch":{"$exists":true}}}`, true},
		{"Elem of no element", store.Elem{Path: "a", Where: store.None()}, `{"_id":{"$in":[]}}`, true},
		{
			"Elem with Or on itself",
			store.Elem{Path: "a", Where: store.Or{eq("", 1), store.Prefix{Value: "b"}}},
			`{"$or":[{"a":{"$elemMatch":{"$eq":1}}},{"a":{"$elemMatch":{"$regex":"^b"}}}]}`, true,
		},
		{
			"Elem with Not on itself",
			store.Elem{Path: "a", Where: store.Not{Filter: store.Or{eq("", 1), store.Range{Low: high}}}},
			`{"a":{"$elemMatch":{"$not":{"$eq":1}}}}`, false,
		},
		{"Elem within Elem", store.Elem{Path: "a", Where: store.Elem{Where: eq("", 1)}}, `{"a":{"$elemMatch":{"$elemMatch":{"$eq":1}}}}`, true},
		{"what is not exact is not negated", store.Not{Filter: store.Elem{Path: "a", Where: store.And{eq("", 1), eq("", 2)}}}, `{}`, false},
	}
	for _, test := range tests {
		t.Run(test.claim, func(t *testing.T) {
			t.Parallel()
			c := pcre().compile(test.filter)
			got, err := bson.MarshalExtJSON(c.document(), false, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if c.exact != test.exact {
				t.Errorf("exact is %v", c.exact)
			}
		})
	}
}

func TestCursorsInMongoDBsLanguage(t *testing.T) {
	t.Parallel()
	recent := []store.Key{{Path: "dt", Desc: true}}
	const epoch = `{"$date":"1970-01-01T00:00:00Z"}`
	tests := []struct {
		claim  string
		order  []store.Key
		cursor []any
		want   []string
	}{
		{"nothing is before the first", recent, nil, []string{`null`}},
		{
			"by _id alone", nil,
			[]any{"m"},
			[]string{`{"_id":{"$not":{"$lte":"m"}},"$nor":[{"_id":{"$type":["minKey","null","number"]}}]}`},
		},
		{"first the rest of the same date, then earlier dates", recent, []any{bson.DateTime(0), "m"}, []string{
			`{"dt":{"$eq":` + epoch + `},"_id":{"$not":{"$gte":"m"}},` +
				`"$nor":[{"_id":{"$type":["object","binData","objectId","bool","date","timestamp","regex","dbPointer","javascript","javascriptWithScope","maxKey"]}}]}`,
			`{"dt":{"$not":{"$gte":` + epoch + `}},` +
				`"$nor":[{"dt":{"$type":["timestamp","regex","dbPointer","javascript","javascriptWithScope","maxKey"]}}]}`,
		}},
		{"null at the beginning", []store.Key{{Path: "a"}, {Path: "_id"}}, []any{nil, 7}, []string{
			`{"a":{"$eq":null},"_id":{"$not":{"$lte":7}},"$nor":[{"_id":{"$type":["minKey","null"]}}]}`,
			`{"a":{"$not":{"$eq":null}}}`,
		}},
		{"null at the end", []store.Key{{Path: "a", Desc: true}, {Path: "_id"}}, []any{nil, 7}, []string{
			`{"a":{"$eq":null},"_id":{"$not":{"$lte":7}},"$nor":[{"_id":{"$type":["minKey","null"]}}]}`,
			`{"$or":[{"$or":[{"a":{"$eq":[]}},{"a":{"$type":"undefined"}}]},{"a":{"$type":"minKey"}}]}`,
		}},
		{"keys through one array", []store.Key{{Path: "a.x"}, {Path: "a.y"}, {Path: "_id"}}, []any{1, 2, 7}, []string{
			`{"a.x":{"$eq":1},"a.y":{"$eq":2},"_id":{"$not":{"$lte":7}},"$nor":[{"_id":{"$type":["minKey","null"]}}]}`,
			`{"a.x":{"$eq":1},"$or":[{"a.y":{"$gt":2}},{"a.y":{"$type":["string","symbol","object","array","binData","objectId","bool","date","timestamp","regex","dbPointer","javascript","javascriptWithScope","maxKey"]}}]}`,
			`{"a.x":{"$not":{"$lte":1}},"$nor":[{"a.x":{"$type":["minKey","null"]}},{"a.x":{"$eq":null}}]}`,
		}},
	}
	for _, test := range tests {
		t.Run(test.claim, func(t *testing.T) {
			t.Parallel()
			var cursor store.Cursor
			for _, v := range test.cursor {
				cursor = append(cursor, store.V(v))
			}
			var got []string
			for _, part := range phases(test.order, cursor) {
				if part.query == nil {
					got = append(got, "null")
					continue
				}
				b, err := bson.MarshalExtJSON(part.query, false, false)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(b))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
