package storetest

import (
	"testing"

	"github.com/portico-fhir/portico/store"
)

// updateClaim says what a document is after an update; "" when the update is
// refused.
type updateClaim struct {
	name   string
	before string
	set    map[string]string
	unset  []string
	after  string
}

var updateClaims = []updateClaim{
	{"a set field keeps its place", `{"a":1,"b":2,"c":3}`, map[string]string{"b": `"x"`}, nil, `{"a":1,"b":"x","c":3}`},
	{"a new field goes to the end", `{"a":1}`, map[string]string{"b": `2`}, nil, `{"a":1,"b":2}`},
	{"new fields are added in the order of their names", `{"a":1}`, map[string]string{"z": `1`, "y": `2`, "x": `3`}, nil, `{"a":1,"x":3,"y":2,"z":1}`},
	{"a dotted path sets within a document", `{"a":{"x":1,"y":2}}`, map[string]string{"a.x": `5`}, nil, `{"a":{"x":5,"y":2}}`},
	{"missing parents come into being", `{}`, map[string]string{"a.b.c": `1`}, nil, `{"a":{"b":{"c":1}}}`},
	{"missing parents are shared", `{}`, map[string]string{"a.b": `1`, "a.c": `2`}, nil, `{"a":{"b":1,"c":2}}`},
	{"a number makes a document where there is no array", `{}`, map[string]string{"a.0": `1`}, nil, `{"a":{"0":1}}`},
	{"a number sets an array element", `{"a":[1,2,3]}`, map[string]string{"a.1": `9`}, nil, `{"a":[1,9,3]}`},
	{"a number reaches into an array element", `{"a":[{"x":1},{"x":2}]}`, map[string]string{"a.1.x": `9`}, nil, `{"a":[{"x":1},{"x":9}]}`},
	{"the position behind the last appends", `{"a":[1]}`, map[string]string{"a.1": `2`}, nil, `{"a":[1,2]}`},
	{"a position further on fills up with null", `{"a":[1]}`, map[string]string{"a.3.x": `2`}, nil, `{"a":[1,null,null,{"x":2}]}`},
	{"a number sets a field of a document", `{"a":{"1":1}}`, map[string]string{"a.1": `9`}, nil, `{"a":{"1":9}}`},
	{"a value may change its type", `{"a":1}`, map[string]string{"a": `1.0`}, nil, `{"a":1.0}`},
	{"a whole array can be set", `{"a":[1,2]}`, map[string]string{"a": `[]`}, nil, `{"a":[]}`},
	{"null can be set", `{"a":1}`, map[string]string{"a": `null`}, nil, `{"a":null}`},
	{"unset removes a field", `{"a":1,"b":2}`, nil, []string{"a"}, `{"b":2}`},
	{"unset removes a field of a document", `{"a":{"x":1,"y":2}}`, nil, []string{"a.x"}, `{"a":{"y":2}}`},
	{"unset leaves an empty parent", `{"a":{"x":1}}`, nil, []string{"a.x"}, `{"a":{}}`},
	{"unset of what is not there does nothing", `{"a":1}`, nil, []string{"b", "c.d", "a.x"}, `{"a":1}`},
	{"unset of an array element makes it null", `{"a":[1,2]}`, nil, []string{"a.0"}, `{"a":[null,2]}`},
	{"unset beyond an array does nothing", `{"a":[1]}`, nil, []string{"a.5", "a.x"}, `{"a":[1]}`},
	{"set and unset together", `{"a":{"x":1,"y":2},"b":1}`, map[string]string{"a.z": `3`}, []string{"a.x", "b"}, `{"a":{"y":2,"z":3}}`},
	{"values that look like operators are literals", `{"a":1}`, map[string]string{"a": `"$b"`}, nil, `{"a":"$b"}`},
	{"refused: a path through a scalar", `{"a":1}`, map[string]string{"a.b": `1`}, nil, ""},
	{"refused: a path through null", `{"a":null}`, map[string]string{"a.b": `1`}, nil, ""},
	{"refused: a name within an array", `{"a":[{"b":1}]}`, map[string]string{"a.b": `1`}, nil, ""},
	{"refused: a name within an empty array", `{"a":[]}`, map[string]string{"a.b": `1`}, nil, ""},
	{"refused: an array filled up without bounds", `{"a":[]}`, map[string]string{"a.99999999": `1`}, nil, ""},
	{"refused: the _id", `{"a":1}`, map[string]string{"_id": `2`}, nil, ""},
	{"refused: a part of the _id", `{"a":1}`, nil, []string{"_id.a"}, ""},
	{"refused: an operator as a name", `{"a":1}`, map[string]string{"$inc": `2`}, nil, ""},
	{"refused: a positional operator", `{"a":[1]}`, map[string]string{"a.$": `2`}, nil, ""},
	{"refused: an empty name", `{"a":1}`, map[string]string{"a.": `2`}, nil, ""},
	{"refused: no name at all", `{"a":1}`, nil, []string{""}, ""},
	{"refused: a path and its parent", `{}`, map[string]string{"a": `{}`, "a.b": `2`}, nil, ""},
	{"refused: a path set and unset", `{"a":1}`, map[string]string{"a": `2`}, []string{"a"}, ""},
}

func update(g *group) {
	for _, u := range updateClaims {
		g.claim(u.name, func(t *testing.T, s store.Store, c string) {
			mustInsert(t, s, c, u.before, `{"other":1}`)
			op := store.Op{Kind: store.Update, Collection: c, ID: store.V(1), Unset: u.unset}
			for path, json := range u.set {
				op.Set = append(op.Set, store.Field{Path: path, Value: value(t, json)})
			}
			err := s.Apply(t.Context(), []store.Op{op})
			after := u.after
			if after == "" {
				wantOpError(t, err, 0, store.ErrInvalid)
				after = u.before
			} else if err != nil {
				t.Fatal(err)
			}
			same(t, "after the update", find(t, s, store.Query{Collection: c}), numbered(t, after, `{"other":1}`))
		})
	}
	g.claim("refused: a missing value", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`)
		op := store.Op{Kind: store.Update, Collection: c, ID: store.V(1), Set: []store.Field{{Path: "a"}}}
		wantOpError(t, s.Apply(t.Context(), []store.Op{op}), 0, store.ErrInvalid)
	})
	g.claim("several updates of one document add up", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{}`)
		must(t, s, set(c, 1, "a.b", 1), set(c, 1, "a.c", 2), set(c, 1, "d", 3))
		same(t, "after", find(t, s, store.Query{Collection: c}), numbered(t, `{"a":{"b":1,"c":2},"d":3}`))
	})
}
