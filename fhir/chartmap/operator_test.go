package chartmap_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
)

// endless is a store with as many people as one asks for, all the same.
type endless struct {
	store.Store
	doc store.Doc
}

func (s endless) Find(_ context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		for n := 0; q.Collection == "ehr.people" && (q.Limit == 0 || n < q.Limit); n++ {
			if !yield(s.doc, nil) {
				return
			}
		}
	}
}

func (s endless) Count(context.Context, store.Query) (int64, error) { return 0, nil }

func TestG7_16_WhatIsReadInVainIsBounded(t *testing.T) {
	t.Parallel()
	m, err := chartmap.Load([]byte(`
chartmap: 1
source: { kind: mongodb, database: ehr }
maps:
- name: person
  resource: Patient
  from: people
  id: _id
  elements: { name: { $list: [ { family: last } ] } }
`), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := &chartmap.Repository{Store: endless{doc: marshaled(t, bson.D{{Key: "_id", Value: "x"}, {Key: "last", Value: "Adams"}})}, Map: m}
	family, _ := search.Lookup("Patient", "family")
	for _, count := range []int{0, 10} {
		_, err := r.Search(t.Context(), &fhir.Query{Type: "Patient", Where: fhir.Term{Param: family, Modifier: fhir.ModGreater, Value: fhir.StringValue("b")}, Count: count})
		var e *fhir.Error
		if !errors.As(err, &e) || e.Code() != fhir.CodeTooCostly {
			t.Errorf("a page of %d: %v, want it refused", count, err)
		}
	}
	page, err := r.Search(t.Context(), &fhir.Query{Type: "Patient", Where: fhir.Term{Param: family, Modifier: fhir.ModGreater, Value: fhir.StringValue("a")}, Count: 10})
	if err != nil || len(page.Resources) != 10 {
		t.Errorf("%d found, %v", len(page.Resources), err)
	}
}
