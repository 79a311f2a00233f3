package store_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/store"
)

func TestCursorsSurviveMarshalling(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := store.Cursor(rapid.SliceOfN(values(2).Filter(func(v store.Value) bool { return !store.Missing(v) }), 0, 4).Draw(t, "cursor"))
		b := c.Marshal()
		got, err := store.UnmarshalCursor(b)
		if err != nil || len(got) != len(c) {
			t.Fatalf("UnmarshalCursor gives %v, %v, want %v", got, err, c)
		}
		for i := range c {
			if !c[i].Equal(got[i]) {
				t.Errorf("value %d is %v, want %v", i, got[i], c[i])
			}
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add([]byte{})
	f.Add(store.Cursor{store.V("x"), store.V(1), store.Null(), store.V(bson.D{{Key: "a", Value: 1}})}.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := store.UnmarshalCursor(b)
		if err != nil {
			if c != nil || !errors.Is(err, store.ErrInvalid) {
				t.Errorf("UnmarshalCursor = %v, %v", c, err)
			}
			return
		}
		if !bytes.Equal(c.Marshal(), b) {
			t.Errorf("%x comes back as %x", b, c.Marshal())
		}
		q := store.Query{Collection: "c", Order: []store.Key{{Path: "a"}}, After: c}
		if err := q.Validate(); (err == nil) != (c == nil || len(c) == 2) {
			t.Errorf("a query with %d values after: %v", len(c), err)
		}
	})
}

func TestCompleteOrderEndsWithID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ order, want []store.Key }{
		{nil, []store.Key{{Path: "_id"}}},
		{[]store.Key{{Path: "a"}}, []store.Key{{Path: "a"}, {Path: "_id"}}},
		{[]store.Key{{Path: "a"}, {Path: "b", Desc: true}}, []store.Key{{Path: "a"}, {Path: "b", Desc: true}, {Path: "_id", Desc: true}}},
		{[]store.Key{{Path: "a", Desc: true}, {Path: "_id"}, {Path: "b"}}, []store.Key{{Path: "a", Desc: true}, {Path: "_id"}}},
	} {
		if diff := cmp.Diff(c.want, store.CompleteOrder(c.order)); diff != "" {
			t.Errorf("CompleteOrder(%v) (-want +got):\n%s", c.order, diff)
		}
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		doc    string
		keys   []store.Key
		sparse bool
		want   string // extended JSON of an array of arrays
	}{
		"a field":                                  {`{"a":1}`, keys("a"), false, `[[1]]`},
		"a missing field is null":                  {`{}`, keys("a"), false, `[[null]]`},
		"a missing field has none when sparse":     {`{}`, keys("a", "b"), true, `[]`},
		"one field of two is enough when sparse":   {`{"b":2}`, keys("a", "b"), true, `[[null,2]]`},
		"null is there when sparse":                {`{"a":null}`, keys("a"), true, `[[null]]`},
		"an array gives an entry for each element": {`{"a":[1,2,1,1.0]}`, keys("a"), false, `[[1],[2]]`},
		"an empty array is undefined":              {`{"a":[]}`, keys("a"), false, `[[{"$undefined":true}]]`},
		"an array in an array stays whole":         {`{"a":[[1,2]]}`, keys("a"), false, `[[[1,2]]]`},
		"documents in an array":                    {`{"a":[{"b":1},{"b":2},{}]}`, keys("a.b"), false, `[[1],[2],[null]]`},
		"documents without the field when sparse":  {`{"a":[{"b":1},{}]}`, keys("a.b"), true, `[[1]]`},
		"scalars in an array are missing":          {`{"a":[1,{"b":2}]}`, keys("a.b"), false, `[[null],[2]]`},
		"an empty array on the way is missing":     {`{"a":[]}`, keys("a.b"), false, `[[null]]`},
		"two fields of one array stay together":    {`{"a":[{"b":1,"c":2},{"b":3}]}`, keys("a.b", "a.c"), false, `[[1,2],[3,null]]`},
		"an array beside a field":                  {`{"a":[1,2],"b":3}`, keys("b", "a"), false, `[[3,1],[3,2]]`},
		"arrays in arrays of documents":            {`{"a":[{"b":[1,2]},{"b":3}]}`, keys("a.b"), false, `[[1],[2],[3]]`},
		"a position":                               {`{"a":[7,8]}`, keys("a.1"), false, `[[8]]`},
		"a position on the way":                    {`{"a":[{"b":7},{"b":8}]}`, keys("a.1.b"), false, `[[8]]`},
		"a field of a document named by a number":  {`{"a":[{"5":7}]}`, keys("a.5"), false, `[[7]]`},
		"the array and a field in it":              {`{"a":[{"b":1}]}`, keys("a", "a.b"), false, `[[{"b":1},1]]`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := store.Entries(store.Index{Name: "x", Keys: c.keys, Sparse: c.sparse}, parse(t, c.doc))
			if err != nil {
				t.Fatal(err)
			}
			if got == nil {
				got = [][]store.Value{}
			}
			want := parse(t, `{"v":`+c.want+`}`).Lookup("v")
			if store.Compare(store.V(got), want) != 0 {
				t.Errorf("entries are %v, want %s", got, c.want)
			}
		})
	}
	t.Run("two arrays are refused", func(t *testing.T) {
		for _, d := range []string{`{"a":[1],"b":[2]}`, `{"a":[],"b":[]}`, `{"a":[{"x":[1]}],"b":[1]}`} {
			_, err := store.Entries(store.Index{Name: "x", Keys: keys("a", "b")}, parse(t, d))
			if !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s: %v, want %v", d, err, store.ErrInvalid)
			}
		}
	})
}

func keys(paths ...string) []store.Key {
	ks := make([]store.Key, len(paths))
	for i, p := range paths {
		ks[i].Path = p
	}
	return ks
}

func parse(t *testing.T, json string) store.Doc {
	t.Helper()
	var d bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(json), false, &d); err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return d
}

func TestAStringAloneSortsAsAnArrayOfOne(t *testing.T) {
	t.Parallel()
	order := []store.Key{{Path: "a", Within: &store.Within{Stretches: []store.Stretch{{Prefix: "x"}}, Required: true}}}
	for _, c := range []struct {
		name  string
		value any
		lacks bool
	}{
		{"a string", "xy", false},
		{"an array", bson.A{"b", "xy"}, false},
		{"another string", "y", true},
		{"a number", 7, true},
	} {
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: c.value}})
		if err != nil {
			t.Fatal(err)
		}
		at := store.Position(order, doc)
		if store.Lacks(order, at) != c.lacks || !c.lacks && at[0].StringValue() != "y" {
			t.Errorf("%s stands at %v", c.name, at)
		}
	}
}
