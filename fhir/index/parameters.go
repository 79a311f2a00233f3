package index

import (
	"slices"
	"strings"
	"sync"

	"github.com/portico-fhir/portico/fhir"
)

// Parameters are R4's search parameters and others beside them. nil is R4's own
// alone. Immutable, safe for concurrent use.
type Parameters struct {
	others []*fhir.SearchParam
	types  sync.Map  // fhir.Type: *Type, once it was asked for
	spare  sync.Pool // of *scratch
}

// With gives R4's parameters and others, which Define made and of which no two have
// the same URL, or name on the same type.
func With(others []*fhir.SearchParam) *Parameters { return &Parameters{others: others} }

// r4 holds each Type with R4's own parameters once it was asked for.
var r4 Parameters

// Of gives the parameters of a type that R4 defines.
func Of(t fhir.Type) *Type { return r4.Of(t) }

func (ps *Parameters) orR4() *Parameters {
	if ps == nil {
		return &r4
	}
	return ps
}

// Of gives the parameters of a type.
func (ps *Parameters) Of(t fhir.Type) *Type {
	ps = ps.orR4()
	if have, ok := ps.types.Load(t); ok {
		return have.(*Type)
	}
	it := compile(t)
	for _, p := range ps.others {
		if slices.Contains(p.On(), t) {
			it.add(p)
		}
	}
	have, _ := ps.types.LoadOrStore(t, it)
	return have.(*Type)
}

// add adds a parameter that is not R4's. All its entries are its own: what R4's
// leave out must not depend on which others there are.
func (it *Type) add(p *fhir.SearchParam) {
	c := &param{SearchParam: p, code: codeOf(it.name, p), exprs: it.sources(alternatives(it.name, p.Expression))}
	c.components = componentsOf(c, true)
	it.params = append(it.params, c)
	it.byName[p.Name] = c
	slices.SortFunc(it.params, func(a, b *param) int { return strings.Compare(a.Name, b.Name) })
}
