package record

import (
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/index"
)

// The parameters for full text.
const (
	paramText    = "_text"
	paramContent = "_content"
)

// params are the parameters by which records of a type can be searched now.
func (r *Repository) params(t fhir.Type) []*fhir.SearchParam {
	params := index.Of(t).Params()
	if r.NoText {
		params = slices.DeleteFunc(params, func(p *fhir.SearchParam) bool { return p.Name == paramText || p.Name == paramContent })
	}
	return params
}
