package join

import (
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// lists are the includes of one type.
type lists struct{ include, reverse []string }

// Describe implements [fhir.Repository]: what Inner can do, and the includes
// that follow from its parameters. Their lists are shared and read-only.
func (r *Repository) Describe(t fhir.Type) fhir.Capability {
	c := r.Inner.Describe(t)
	if c.Search {
		r.once.Do(r.list)
		l := r.lists[t]
		c.Include, c.RevInclude = slices.Clip(l.include), slices.Clip(l.reverse)
	}
	return c
}

// list makes the lists of all types.
func (r *Repository) list() {
	r.lists = make(map[fhir.Type]lists)
	for _, t := range fhir.Types() {
		c := r.Inner.Describe(t)
		if !c.Search {
			continue
		}
		for _, p := range c.Params {
			if p.Type != fhir.ParamReference {
				continue
			}
			name := string(t) + ":" + p.Name
			l := r.lists[t]
			l.include = append(l.include, name)
			r.lists[t] = l
			for _, target := range targets(p) {
				l := r.lists[target]
				l.reverse = append(l.reverse, name)
				r.lists[target] = l
			}
		}
	}
}

// targets are the types that a parameter refers to.
func targets(p *fhir.SearchParam) []fhir.Type {
	if len(p.Targets) == 0 {
		return fhir.Types()
	}
	return p.Targets
}
