package storetest

import (
	"bytes"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

func insert(c string, d store.Doc) store.Op {
	return store.Op{Kind: store.Insert, Collection: c, Doc: d}
}

func remove(c string, id any) store.Op {
	return store.Op{Kind: store.Delete, Collection: c, ID: store.V(id)}
}

func replace(c string, d store.Doc) store.Op {
	return store.Op{Kind: store.Replace, Collection: c, ID: store.ID(d), Doc: d}
}

func set(c string, id any, path string, v any) store.Op {
	return store.Op{Kind: store.Update, Collection: c, ID: store.V(id), Set: []store.Field{{Path: path, Value: store.V(v)}}}
}

// only adds a precondition.
func only(op store.Op, f store.Filter) store.Op {
	op.If = f
	return op
}

func apply(g *group) {
	applyKinds(g)
	applyTogether(g)
	applyInvalid(g)
}

func applyKinds(g *group) {
	g.claim("no ops do nothing", func(t *testing.T, s store.Store, _ string) { must(t, s) })
	g.claim("an insert is found at once", func(t *testing.T, s store.Store, c string) {
		must(t, s, insert(c, doc(t, `{"_id":"x","a":1}`)))
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{doc(t, `{"_id":"x","a":1}`)})
	})
	g.claim("an insert with an _id that is taken is ErrExists", func(t *testing.T, s store.Store, c string) {
		must(t, s, insert(c, doc(t, `{"_id":1,"a":1}`)))
		err := s.Apply(t.Context(), []store.Op{insert(c, doc(t, `{"_id":2}`)), insert(c, doc(t, `{"_id":1,"a":2}`))})
		wantOpError(t, err, 1, store.ErrExists)
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{doc(t, `{"_id":1,"a":1}`)})
	})
	g.claim("_ids that are equal numbers are the same", func(t *testing.T, s store.Store, c string) {
		must(t, s, insert(c, doc(t, `{"_id":1}`)))
		err := s.Apply(t.Context(), []store.Op{insert(c, doc(t, `{"_id":1.0}`))})
		wantOpError(t, err, 0, store.ErrExists)
		must(t, s, remove(c, int64(1)))
		checkIDs(t, s, store.Query{Collection: c})
	})
	g.claim("_ids may be documents, strings, dates and more", func(t *testing.T, s store.Store, c string) {
		must(t, s, insert(c, doc(t, `{"_id":{"a":1,"b":2}}`)), insert(c, doc(t, `{"_id":{"b":2,"a":1}}`)), insert(c, doc(t, `{"_id":null}`)),
			insert(c, doc(t, `{"_id":{"$date":"2024-01-01T00:00:00Z"}}`)), insert(c, doc(t, `{"_id":true}`)))
		must(t, s, set(c, bson.D{{Key: "a", Value: 1}, {Key: "b", Value: 2}}, "x", 1), remove(c, nil))
		checkCount(t, s, store.Query{Collection: c, Where: store.Exists{Path: "x", Want: true}}, 1)
		checkCount(t, s, store.Query{Collection: c}, 4)
	})
	g.claim("Replace puts the new document in the place of the old", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1,"b":2}`, `{"a":2}`)
		must(t, s, replace(c, doc(t, `{"_id":1,"c":3}`)))
		same(t, "found", find(t, s, store.Query{Collection: c}), numbered(t, `{"c":3}`, `{"a":2}`))
	})
	g.claim("Delete removes the document", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":2}`)
		must(t, s, remove(c, 1))
		checkIDs(t, s, store.Query{Collection: c}, "2")
		must(t, s, insert(c, doc(t, `{"_id":1,"a":9}`)))
		checkIDs(t, s, store.Query{Collection: c, Where: eq("a", 9)}, "1")
	})
	for name, op := range map[string]func(c string) store.Op{
		"Replace": func(c string) store.Op { return replace(c, doc(g.T, `{"_id":9}`)) },
		"Update":  func(c string) store.Op { return set(c, 9, "a", 1) },
		"Delete":  func(c string) store.Op { return remove(c, 9) },
	} {
		g.claim(name+" of a document that is not there is ErrConflict", func(t *testing.T, s store.Store, c string) {
			mustInsert(t, s, c, `{"a":1}`)
			wantOpError(t, s.Apply(t.Context(), []store.Op{op(c)}), 0, store.ErrConflict)
			wantOpError(t, s.Apply(t.Context(), []store.Op{op(c + "x")}), 0, store.ErrConflict)
		})
		g.claim(name+" goes by its precondition", func(t *testing.T, s store.Store, c string) {
			must(t, s, insert(c, doc(t, `{"_id":9,"v":3,"l":[{"x":1,"y":2}]}`)))
			for _, f := range []store.Filter{eq("v", 2), store.Not{Filter: eq("v", 3)}, store.None(), eq("w", 3)} {
				wantOpError(t, s.Apply(t.Context(), []store.Op{only(op(c), f)}), 0, store.ErrConflict)
			}
			same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{doc(t, `{"_id":9,"v":3,"l":[{"x":1,"y":2}]}`)})
			must(t, s, only(op(c), store.And{eq("v", 3), eq("w", nil), store.Elem{Path: "l", Where: store.And{eq("x", 1), eq("y", 2)}}}))
			checkCount(t, s, store.Query{Collection: c, Where: eq("v", 3)}, map[string]int64{"Update": 1}[name])
		})
	}
}

func applyTogether(g *group) {
	g.claim("a failing op takes back the others, in all collections", func(t *testing.T, s store.Store, c string) {
		other := "clinic." + c
		mustInsert(t, s, c, `{"a":1}`, `{"a":2}`)
		mustInsert(t, s, other, `{"a":1}`, `{"a":2}`)
		err := s.Apply(t.Context(), []store.Op{
			insert(c, doc(t, `{"_id":3}`)),
			replace(other, doc(t, `{"_id":1,"a":9}`)),
			set(c, 2, "a", 9),
			remove(other, 2),
			only(set(other, 1, "a", 1), eq("a", 1)), // it is 9 by now
		})
		wantOpError(t, err, 4, store.ErrConflict)
		same(t, "first collection", find(t, s, store.Query{Collection: c}), numbered(t, `{"a":1}`, `{"a":2}`))
		same(t, "second collection", find(t, s, store.Query{Collection: other}), numbered(t, `{"a":1}`, `{"a":2}`))
		must(t, s, insert(c, doc(t, `{"_id":3}`)))
	})
	g.claim("ops over several collections happen together", func(t *testing.T, s store.Store, c string) {
		other := "clinic." + c
		mustInsert(t, s, c, `{"a":1}`)
		must(t, s, insert(other, doc(t, `{"_id":"v1"}`)), only(set(c, 1, "a", 2), eq("a", 1)))
		checkIDs(t, s, store.Query{Collection: other}, "v1")
		checkIDs(t, s, store.Query{Collection: c, Where: eq("a", 2)}, "1")
	})
	g.claim("later ops see the effect of earlier ones", func(t *testing.T, s store.Store, c string) {
		must(t, s,
			insert(c, doc(t, `{"_id":1,"n":0}`)),
			only(set(c, 1, "n", 1), eq("n", 0)),
			only(set(c, 1, "m", 2), eq("n", 1)),
			only(replace(c, doc(t, `{"_id":1,"n":5}`)), eq("m", 2)),
			only(remove(c, 1), eq("n", 5)),
			insert(c, doc(t, `{"_id":1,"n":7}`)),
		)
		same(t, "found", find(t, s, store.Query{Collection: c}), numbered(t, `{"n":7}`))
	})
	g.claim("an insert after an insert of the same _id fails as the second", func(t *testing.T, s store.Store, c string) {
		err := s.Apply(t.Context(), []store.Op{insert(c, doc(t, `{"_id":1}`)), insert(c, doc(t, `{"_id":1}`))})
		wantOpError(t, err, 1, store.ErrExists)
		checkIDs(t, s, store.Query{Collection: c})
	})
	g.claim("a change after a deletion fails", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{}`)
		wantOpError(t, s.Apply(t.Context(), []store.Op{remove(c, 1), set(c, 1, "a", 1)}), 1, store.ErrConflict)
		checkIDs(t, s, store.Query{Collection: c}, "1")
	})
	g.claim("many ops are one change", func(t *testing.T, s store.Store, c string) {
		const n = 300
		var ops []store.Op
		for i := range n {
			ops = append(ops, insert(c, walked(i, i)))
		}
		wantOpError(t, s.Apply(t.Context(), append(ops, insert(c, walked(7, 7)))), n, store.ErrExists)
		checkCount(t, s, store.Query{Collection: c}, 0)
		must(t, s, ops...)
		checkCount(t, s, store.Query{Collection: c}, n)
	})
	g.claim("a loop over Find may Apply", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1}`, `{"a":1}`, `{"a":1}`)
		for d, err := range s.Find(t.Context(), store.Query{Collection: c, Where: eq("a", 1)}) {
			if err != nil {
				t.Fatal(err)
			}
			must(t, s, set(c, int32(store.ID(d).AsInt64()), "a", 2))
		}
		checkCount(t, s, store.Query{Collection: c, Where: eq("a", 2)}, 3)
	})
}

func applyInvalid(g *group) {
	big := bson.Raw(mustMarshal(bson.D{{Key: "_id", Value: 1}, {Key: "b", Value: bytes.Repeat([]byte{1}, store.MaxDocument)}}))
	broken := doc(g.T, `{"_id":1,"a":"x"}`)
	broken = append(broken[:len(broken)-2:len(broken)-2], 'y', 0) // a string that does not end
	type bad struct {
		op   store.Op
		want error
	}
	for name, b := range map[string]bad{
		"a document above 16 MiB":             {store.Op{Kind: store.Insert, Doc: big}, store.ErrTooLarge},
		"an insert without _id":               {store.Op{Kind: store.Insert, Doc: doc(g.T, `{"a":1}`)}, store.ErrInvalid},
		"an insert whose _id is not first":    {store.Op{Kind: store.Insert, Doc: doc(g.T, `{"a":1,"_id":1}`)}, store.ErrInvalid},
		"an insert with an array as _id":      {store.Op{Kind: store.Insert, Doc: doc(g.T, `{"_id":[1]}`)}, store.ErrInvalid},
		"an insert of nothing":                {store.Op{Kind: store.Insert}, store.ErrInvalid},
		"an insert of malformed BSON":         {store.Op{Kind: store.Insert, Doc: broken}, store.ErrInvalid},
		"an insert with a precondition":       {store.Op{Kind: store.Insert, Doc: doc(g.T, `{"_id":2}`), If: store.All()}, store.ErrInvalid},
		"an insert with a field to set":       {store.Op{Kind: store.Insert, Doc: doc(g.T, `{"_id":2}`), Unset: []string{"a"}}, store.ErrInvalid},
		"an insert with a top-level operator": {store.Op{Kind: store.Insert, Doc: doc(g.T, `{"_id":2,"$set":{"a":1}}`)}, store.ErrInvalid},
		"a replacement with an operator":      {store.Op{Kind: store.Replace, ID: store.V(1), Doc: doc(g.T, `{"_id":1,"$set":{"a":1}}`)}, store.ErrInvalid},
		"a replacement with another _id":      {store.Op{Kind: store.Replace, ID: store.V(1), Doc: doc(g.T, `{"_id":2}`)}, store.ErrInvalid},
		"a deletion without _id":              {store.Op{Kind: store.Delete}, store.ErrInvalid},
		"a deletion with a document":          {store.Op{Kind: store.Delete, ID: store.V(1), Doc: doc(g.T, `{"_id":1}`)}, store.ErrInvalid},
		"an update of nothing":                {store.Op{Kind: store.Update, ID: store.V(1)}, store.ErrInvalid},
		"an op of no kind":                    {store.Op{ID: store.V(1)}, store.ErrInvalid},
		"a bad precondition":                  {store.Op{Kind: store.Delete, ID: store.V(1), If: eq("$where", 1)}, store.ErrInvalid},
	} {
		g.claim("invalid: "+name, func(t *testing.T, s store.Store, c string) {
			mustInsert(t, s, c, `{"a":"x"}`)
			b.op.Collection = c
			err := s.Apply(t.Context(), []store.Op{insert(c, doc(t, `{"_id":50}`)), b.op})
			wantOpError(t, err, 1, b.want)
			same(t, "found", find(t, s, store.Query{Collection: c}), numbered(t, `{"a":"x"}`))
		})
	}
	g.claim("malformed ops are found before anything is tried", func(t *testing.T, s store.Store, c string) {
		err := s.Apply(t.Context(), []store.Op{remove(c, 1), {Kind: store.Delete, Collection: c}})
		wantOpError(t, err, 1, store.ErrInvalid)
	})
	g.claim("a document of almost 16 MiB is kept", func(t *testing.T, s store.Store, c string) {
		d := bson.Raw(mustMarshal(bson.D{{Key: "_id", Value: 1}, {Key: "b", Value: bytes.Repeat([]byte{1}, store.MaxDocument-100)}}))
		must(t, s, insert(c, d))
		if got := get(t, s, c, 1); !bytes.Equal(got, d) {
			t.Errorf("found %d bytes, want %d", len(got), len(d))
		}
		grown := store.Op{Kind: store.Update, Collection: c, ID: store.V(1), Set: []store.Field{{Path: "c", Value: store.V(string(make([]byte, 200)))}}}
		wantOpError(t, s.Apply(t.Context(), []store.Op{grown}), 0, store.ErrTooLarge)
	})
}

func mustMarshal(x any) []byte {
	b, err := bson.Marshal(x)
	if err != nil {
		panic(err)
	}
	return b
}
