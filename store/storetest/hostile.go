package storetest

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

func hostile(g *group) {
	strings := []string{`{"$gt":""}`, "$where", "$a", "a\x00b", "\x00", "", "'; drop table docs; --", "%", "_", "*", `\`, "\n", "\U0001F600", "\xed\xa0\x80", "ﬁ", "İ"}
	g.claim("strings are literals", func(t *testing.T, s store.Store, c string) {
		ensure(t, s, store.Index{Collection: c, Name: "v", Keys: asc("v"), Unique: true})
		for i, v := range strings {
			must(t, s, insert(c, mustMarshal(bson.D{{Key: "_id", Value: v}, {Key: "v", Value: v}, {Key: "i", Value: i}})))
		}
		for i, v := range strings {
			for _, f := range []store.Filter{eq("_id", v), eq("v", v), store.In{Path: "v", Values: []store.Value{store.V(v)}}} {
				got := find(t, s, store.Query{Collection: c, Where: f})
				if len(got) != 1 || got[0].Lookup("i").AsInt64() != int64(i) {
					t.Errorf("%#v finds %v", f, got)
				}
			}
		}
	})
	g.claim("text with NUL is searched as it is", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":"a\u0000b"}`, `{"a":"a"}`, `{"a":"ab"}`)
		checkIDs(t, s, store.Query{Collection: c, Where: store.Prefix{Path: "a", Value: "a\x00"}}, "1")
		checkIDs(t, s, store.Query{Collection: c, Where: store.Contains{Path: "a", Value: "\x00"}}, "1")
		checkIDs(t, s, store.Query{Collection: c, Where: store.Contains{Path: "a", Value: "A\x00B", Fold: true}}, "1")
		checkIDs(t, s, store.Query{Collection: c, Where: eq("a", "a")}, "2")
	})
	g.claim("a document as a value is a literal", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":5}`, `{"a":{"$gt":1}}`)
		checkIDs(t, s, store.Query{Collection: c, Where: eq("a", bson.D{{Key: "$gt", Value: 1}})}, "2")
		checkIDs(t, s, store.Query{Collection: c, Where: store.In{Path: "a", Values: []store.Value{store.V(bson.D{{Key: "$gt", Value: 1}})}}}, "2")
		checkIDs(t, s, store.Query{Collection: c, Where: store.Elem{Path: "a", Where: eq("", bson.D{{Key: "$gt", Value: 1}})}})
	})
	g.claim("a precondition with such a value is a literal", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":5}`)
		err := s.Apply(t.Context(), []store.Op{only(remove(c, 1), eq("a", bson.D{{Key: "$gt", Value: 1}}))})
		wantOpError(t, err, 0, store.ErrConflict)
	})
	g.claim("an _id that looks like an operator is a literal", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{}`)
		err := s.Apply(t.Context(), []store.Op{remove(c, bson.D{{Key: "$gt", Value: 0}})})
		wantOpError(t, err, 0, store.ErrConflict)
	})
	g.claim("names with dots are kept, and no path reaches them", func(t *testing.T, s store.Store, c string) {
		d := doc(t, `{"_id":1,"a.b":1,"c":{"d.e":2}}`)
		must(t, s, insert(c, d))
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{d})
		checkIDs(t, s, store.Query{Collection: c, Where: eq("a.b", 1)})
		checkIDs(t, s, store.Query{Collection: c, Where: store.Exists{Path: "c.d.e"}}, "1")
	})
	g.claim("names with $ below the top are kept", func(t *testing.T, s store.Store, c string) {
		d := doc(t, `{"_id":1,"ref":{"x":{"$a":1}}}`)
		must(t, s, insert(c, d))
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{d})
	})
	g.claim("empty names are kept", func(t *testing.T, s store.Store, c string) {
		d := doc(t, `{"_id":1,"":1,"a":{"":2}}`)
		must(t, s, insert(c, d))
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{d})
	})
	g.claim("a filter with many values and many parts", func(t *testing.T, s store.Store, c string) {
		mustInsert(t, s, c, `{"a":1500}`, `{"a":-1}`)
		in, or := store.In{Path: "a"}, store.Or{}
		for i := range 2000 {
			in.Values = append(in.Values, store.V(i))
		}
		for i := range 500 {
			or = append(or, store.And{eq("a", i+1400), store.Not{Filter: eq("b", i)}})
		}
		checkIDs(t, s, store.Query{Collection: c, Where: store.And{in, or}}, "1")
	})
	g.claim("documents nested 100 levels are kept, deeper ones refused", func(t *testing.T, s store.Store, c string) {
		d := nestedDoc(99)
		must(t, s, insert(c, d))
		same(t, "found", find(t, s, store.Query{Collection: c}), []store.Doc{d})
		wantOpError(t, s.Apply(t.Context(), []store.Op{insert(c, nestedDoc(20_000))}), 0, store.ErrInvalid)
	})
}

// nestedDoc has n documents within it, each in the other.
func nestedDoc(n int) store.Doc {
	inner := bson.Raw(mustMarshal(bson.D{}))
	for range n - 1 {
		inner = mustMarshal(bson.D{{Key: "a", Value: inner}})
	}
	return mustMarshal(bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: inner}})
}
