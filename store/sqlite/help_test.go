package sqlite

import (
	"path/filepath"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// open opens a store that is closed with the test.
func open(t testing.TB, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func dirOf(s store.Store) string { return filepath.Dir(s.(*Store).path) }

// marshal makes a document of an _id and one field.
func marshal(t testing.TB, id, name string, value any) store.Doc {
	t.Helper()
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: name, Value: value}})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
