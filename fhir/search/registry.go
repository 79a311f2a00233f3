package search

import (
	"slices"
	"strings"
	"sync"

	"github.com/portico-fhir/portico/fhir"
)

// byType holds, for each type that has parameters of its own and for
// "Resource" and "DomainResource", the parameters by name.
var byType = sync.OnceValue(func() map[fhir.Type]map[string]*fhir.SearchParam {
	m := make(map[fhir.Type]map[string]*fhir.SearchParam)
	for i := range registry {
		p := &registry[i]
		for _, base := range p.Base {
			if m[base] == nil {
				m[base] = make(map[string]*fhir.SearchParam)
			}
			m[base][p.Name] = p
		}
	}
	return m
})

// byURL holds the parameters by their canonical URL.
var byURL = sync.OnceValue(func() map[string]*fhir.SearchParam {
	m := make(map[string]*fhir.SearchParam, len(registry))
	for i := range registry {
		m[registry[i].URL] = &registry[i]
	}
	return m
})

// bases are where the parameters of t are defined, the most specific first.
func bases(t fhir.Type) []fhir.Type {
	if t.DomainResource() {
		return []fhir.Type{t, "DomainResource", "Resource"}
	}
	return []fhir.Type{t, "Resource"}
}

// Lookup finds the R4 search parameter with this name on the type, or on every
// resource. The result is shared and read-only.
func Lookup(t fhir.Type, name string) (*fhir.SearchParam, bool) {
	for _, base := range bases(t) {
		if p, ok := byType()[base][name]; ok {
			return p, true
		}
	}
	return nil, false
}

// LookupURL finds the R4 search parameter with this canonical URL. The result is
// shared and read-only.
func LookupURL(url string) (*fhir.SearchParam, bool) {
	p, ok := byURL()[url]
	return p, ok
}

// Part gives the parameter that defines how a part of a composite one is searched by,
// nil when there is none.
func Part(c fhir.ParamComponent) *fhir.SearchParam {
	if c.Param != nil {
		return c.Param
	}
	return byURL()[c.Definition]
}

// Params returns all R4 search parameters of the type, those of every
// resource included, sorted by name. The slice is the caller's.
func Params(t fhir.Type) []*fhir.SearchParam {
	var all []*fhir.SearchParam
	for _, base := range bases(t) {
		for _, p := range byType()[base] {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *fhir.SearchParam) int { return strings.Compare(a.Name, b.Name) })
	return all
}
