package guard_test

import (
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	ehr "github.com/portico-fhir/portico/testdata/clinic"
)

// indexed gives the search parameters of all types.
func indexed() map[fhir.Type][]*fhir.SearchParam {
	all := make(map[fhir.Type][]*fhir.SearchParam)
	for _, t := range fhir.Types() {
		all[t] = search.Params(t)
	}
	return all
}

func searchParam(t fhir.Type, name string) (*fhir.SearchParam, bool) { return search.Lookup(t, name) }

// demo gives the demo clinic, without its documents.
func demo(t testing.TB) *chartmap.Repository {
	t.Helper()
	m, err := chartmap.Load(ehr.ChartMap(), "chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &chartmap.Repository{Store: memory.New(), Map: m, Base: base, Now: ehr.Today}
}

// fillDemo puts its documents into the store.
func fillDemo(t testing.TB, st store.Store) {
	t.Helper()
	for doc, err := range ehr.Documents() {
		if err != nil {
			t.Fatal(err)
		}
		op := store.Op{Kind: store.Insert, Collection: ehr.Database + "." + doc.Collection, Doc: doc.Body}
		if err := st.Apply(t.Context(), []store.Op{op}); err != nil {
			t.Fatal(err)
		}
	}
}
