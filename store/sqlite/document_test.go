package sqlite

import (
	"bytes"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

func TestDocumentsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	list := bson.A{"", "a", "ab", "ab\x00c", "b"}
	for name, doc := range map[string]bson.D{
		"a list":               {{Key: "_id", Value: 1}, {Key: "k", Value: list}, {Key: "z", Value: "end"}},
		"a list at the end":    {{Key: "_id", Value: 1}, {Key: "k", Value: list}},
		"two lists":            {{Key: "_id", Value: 1}, {Key: "k", Value: list}, {Key: "l", Value: list}},
		"a list of other kind": {{Key: "_id", Value: 1}, {Key: "k", Value: bson.A{1, 2, 3, 4, 5}}, {Key: "l", Value: list}},
		"a mixed list":         {{Key: "_id", Value: 1}, {Key: "k", Value: bson.A{"a", "b", "c", "d", 5}}},
		"a short list":         {{Key: "_id", Value: 1}, {Key: "k", Value: bson.A{"a"}}},
		"no list":              {{Key: "_id", Value: 1}},
		"a list deep inside":   {{Key: "_id", Value: 1}, {Key: "d", Value: bson.D{{Key: "k", Value: list}}}},
	} {
		data, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		form, list := encodeDocument(data)
		d, err := document(form)
		if err != nil || (d.name != nil) != (list != nil) {
			t.Fatalf("%s: %v", name, err)
		}
		if err := d.rest.Validate(); err != nil {
			t.Errorf("%s: what is left of it: %v", name, err)
		}
		if list == nil {
			if !bytes.Equal(d.rest, data) {
				t.Errorf("%s: %v", name, d.rest)
			}
			continue
		}
		got, err := d.with(list)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		for i := range list {
			if _, err := d.with(list[:i]); err == nil {
				t.Errorf("%s: %d of %d bytes of the list are enough", name, i, len(list))
			}
		}
	}
}

func FuzzDocument(f *testing.F) {
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: "1"}, {Key: "k", Value: bson.A{"a", "ab", "abc", "b"}}})
	if err != nil {
		f.Fatal(err)
	}
	form, list := encodeDocument(doc)
	f.Add(form, list)
	f.Fuzz(func(_ *testing.T, form, list []byte) {
		if d, err := document(form); err == nil {
			_, _ = d.with(list) // without a panic
		}
		if store.Doc(form).Validate() == nil {
			encodeDocument(form)
		}
	})
}
