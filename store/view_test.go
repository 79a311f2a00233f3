package store_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/store"
)

// words are strings that often have a beginning in common.
func words() *rapid.Generator[string] { return rapid.StringMatching(`[ab]{0,3}`) }

// askedOfWords are conditions on the words in k, and on a.
func askedOfWords(depth int) *rapid.Generator[store.Filter] {
	return rapid.Custom(func(t *rapid.T) store.Filter {
		path := "k"
		leaf := func() store.Filter {
			w := store.String(words().Draw(t, "word"))
			bound := &store.Bound{Value: w, Inclusive: rapid.Bool().Draw(t, "inclusive")}
			switch rapid.IntRange(0, 6).Draw(t, "kind") {
			case 0:
				return store.Eq{Path: path, Value: w}
			case 1:
				return store.In{Path: path, Values: []store.Value{w, store.String(words().Draw(t, "other"))}}
			case 2:
				return store.Range{Path: path, Low: bound}
			case 3:
				return store.Range{Path: path, High: bound}
			case 4:
				return store.Range{Path: path, Low: &store.Bound{Value: store.String(words().Draw(t, "low"))}, High: bound}
			case 5:
				return store.Prefix{Path: path, Value: words().Draw(t, "prefix")}
			}
			return store.Exists{Path: path, Want: rapid.Bool().Draw(t, "want")}
		}
		if depth > 0 {
			below := askedOfWords(depth - 1)
			switch rapid.IntRange(0, 3).Draw(t, "op") {
			case 0:
				return store.And{below.Draw(t, "left"), below.Draw(t, "right")}
			case 1:
				return store.Or{below.Draw(t, "left"), below.Draw(t, "right")}
			case 2:
				return store.Not{Filter: below.Draw(t, "not")}
			}
		}
		switch rapid.IntRange(0, 4).Draw(t, "leaf") {
		case 0:
			path = ""
			return store.Elem{Path: "k", Where: store.And{leaf(), store.Not{Filter: leaf()}}}
		case 1:
			return store.Eq{Path: "a", Value: store.V(rapid.IntRange(0, 1).Draw(t, "a"))}
		}
		return leaf()
	})
}

func TestAViewIsLikeTheWholeDocument(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(words(), 0, 5).Draw(t, "k")
		a := rapid.IntRange(0, 1).Draw(t, "a of the document")
		whole := doc(t, bson.D{{Key: "_id", Value: 1}, {Key: "k", Value: list}, {Key: "a", Value: a}})
		v := store.View{Doc: doc(t, bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: a}}), Field: "k"}
		if rapid.Bool().Draw(t, "sorted") {
			slices.Sort(list)
			v.Sorted = true
			whole = doc(t, bson.D{{Key: "_id", Value: 1}, {Key: "k", Value: list}, {Key: "a", Value: a}})
		}
		for _, s := range list {
			v.Strings = append(v.Strings, []byte(s))
		}
		f := askedOfWords(3).Draw(t, "filter")
		if !store.Answers(f, "k") {
			t.Fatalf("a view does not answer %v", f)
		}
		if got, want := v.Match(f), store.Match(f, whole); got != want {
			t.Errorf("%v: %t, not %t, for %v", f, got, want, list)
		}
		within := &store.Within{Stretches: []store.Stretch{{Prefix: words().Draw(t, "stretch"), Low: words().Draw(t, "from")}}}
		desc := rapid.Bool().Draw(t, "descending")
		order := []store.Key{{Path: "k", Desc: desc, Within: within}, {Path: "a"}}
		if diff := cmp.Diff(store.Position(order, whole), v.Position(order)); diff != "" {
			t.Errorf("position: %s", diff)
		}
	})
}

func TestAViewDoesNotAnswerEverything(t *testing.T) {
	t.Parallel()
	for _, f := range []store.Filter{
		store.Eq{Path: "k", Value: store.V(1)},
		store.Eq{Path: "k", Value: store.Null()},
		store.Eq{Path: "k.0", Value: store.String("a")},
		store.In{Path: "k", Values: []store.Value{store.String("a"), store.V(1)}},
		store.Range{Path: "k", Low: &store.Bound{Value: store.V(1)}},
		store.Prefix{Path: "k", Value: "a", Fold: true},
		store.Contains{Path: "k", Value: "a"},
		store.Elem{Path: "k", Where: store.Elem{Path: "", Where: store.Exists{Want: true}}},
		store.Elem{Path: "k", Where: store.Eq{Path: "a", Value: store.String("a")}},
		store.And{store.Eq{Path: "a", Value: store.V(1)}, store.Not{Filter: store.Or{store.Eq{Path: "k", Value: store.V(true)}}}},
	} {
		if store.Answers(f, "k") {
			t.Errorf("%v is taken", f)
		}
	}
}

func doc(t *rapid.T, d bson.D) store.Doc {
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return store.Doc(b)
}
