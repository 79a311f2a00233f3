package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// testing's T and rapid's T.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// doc reads relaxed extended JSON.
func doc(t tb, json string) store.Doc {
	t.Helper()
	var d bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(json), false, &d); err != nil {
		t.Fatalf("document %s: %v", json, err)
	}
	return d
}

// value reads one value of extended JSON.
func value(t tb, json string) store.Value {
	t.Helper()
	return doc(t, `{"v":`+json+`}`).Lookup("v")
}

// numbered gives each document an _id: 1, 2, …
func numbered(t tb, jsons ...string) []store.Doc {
	t.Helper()
	docs := make([]store.Doc, len(jsons))
	for i, json := range jsons {
		sep := ","
		if strings.TrimSpace(json) == "{}" {
			sep = ""
		}
		docs[i] = doc(t, fmt.Sprintf(`{"_id":%d%s%s`, i+1, sep, strings.TrimPrefix(json, "{")))
	}
	return docs
}

func inserts(collection string, docs ...store.Doc) []store.Op {
	ops := make([]store.Op, len(docs))
	for i, d := range docs {
		ops[i] = store.Op{Kind: store.Insert, Collection: collection, Doc: d}
	}
	return ops
}

// must applies ops that cannot fail.
func must(t *testing.T, s store.Store, ops ...store.Op) {
	t.Helper()
	if err := s.Apply(t.Context(), ops); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

// mustInsert inserts numbered documents.
func mustInsert(t *testing.T, s store.Store, collection string, jsons ...string) {
	t.Helper()
	must(t, s, inserts(collection, numbered(t, jsons...)...)...)
}

// find gives what q finds.
func find(t *testing.T, s store.Store, q store.Query) []store.Doc {
	t.Helper()
	var docs []store.Doc
	for d, err := range s.Find(t.Context(), q) {
		if err != nil {
			t.Fatalf("Find: %v", err)
		}
		docs = append(docs, d)
	}
	return docs
}

// ids gives the _ids of what q finds, as extended JSON.
func ids(t *testing.T, s store.Store, q store.Query) []string {
	t.Helper()
	found := []string{}
	for _, d := range find(t, s, q) {
		found = append(found, show(store.ID(d)))
	}
	return found
}

// show writes a value in a short form.
func show(v store.Value) string {
	if n, ok := v.AsInt64OK(); ok && v.Type != bson.TypeDouble {
		return fmt.Sprint(n)
	}
	if s, ok := v.StringValueOK(); ok {
		return s
	}
	return v.String()
}

// get gives the document with that _id, or nil.
func get(t *testing.T, s store.Store, collection string, id any) store.Doc {
	t.Helper()
	docs := find(t, s, store.Query{Collection: collection, Where: store.Eq{Path: "_id", Value: store.V(id)}})
	switch len(docs) {
	case 0:
		return nil
	case 1:
		return docs[0]
	}
	t.Fatalf("%d documents with _id %v", len(docs), id)
	return nil
}

// same fails when the documents differ, byte for byte.
func same(t tb, what string, got, want []store.Doc) {
	t.Helper()
	if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
		return
	}
	for i := range want {
		if string(got[i]) != string(want[i]) {
			t.Errorf("%s: document %d has other bytes: got %x, want %x", what, i, got[i], want[i])
		}
	}
}

func texts(docs []store.Doc) []string {
	s := make([]string, len(docs))
	for i, d := range docs {
		s[i] = d.String()
	}
	return s
}

// wantOpError fails unless err is an OpError of that kind about that op.
func wantOpError(t *testing.T, err error, index int, kind error) {
	t.Helper()
	var op *store.OpError
	switch {
	case !errors.Is(err, kind):
		t.Fatalf("error is %v, want %v", err, kind)
	case !errors.As(err, &op):
		t.Fatalf("error %v is a %T, want a *store.OpError", err, err)
	case op.Index != index:
		t.Fatalf("error %v blames op %d, want %d", err, op.Index, index)
	}
}

func eq(path string, v any) store.Filter { return store.Eq{Path: path, Value: store.V(v)} }

func asc(paths ...string) []store.Key {
	keys := make([]store.Key, len(paths))
	for i, p := range paths {
		keys[i] = store.Key{Path: p}
	}
	return keys
}

func desc(path string) []store.Key { return []store.Key{{Path: path, Desc: true}} }
