package store_test

import (
	"bytes"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/store"
)

// Fields whose names begin alike are told apart, and the first of several counts.
func TestLookupFindsWhatTheDriverFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`a{1,3}b?`)
		d := bson.D{}
		for _, n := range rapid.SliceOfN(name, 0, 6).Draw(t, "names") {
			d = append(d, bson.E{Key: n, Value: values(1).Filter(func(v store.Value) bool { return !store.Missing(v) }).Draw(t, n)})
		}
		b, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		asked := name.Draw(t, "asked")
		got, want := store.Lookup(store.Doc(b), asked), bson.Raw(b).Lookup(asked)
		if got.Type != want.Type || !bytes.Equal(got.Value, want.Value) {
			t.Errorf("%s of %v: %v, want %v", asked, bson.Raw(b), got, want)
		}
		for cut := range b { // damage ends the document, and nothing worse
			store.Lookup(store.Doc(b[:cut]), asked)
		}
	})
}
