package guard_test

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// indexed gives the search parameters of all types.
func indexed() map[fhir.Type][]*fhir.SearchParam {
	all := make(map[fhir.Type][]*fhir.SearchParam)
	for _, t := range fhir.Types() {
		all[t] = search.Params(t)
	}
	return all
}
