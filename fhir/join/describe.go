package join

import (
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// lists are the includes of one type.
type lists struct{ include, reverse []string }

// described are the lists of all types, as Inner was at a revision.
type described struct {
	revision uint64
	types    map[fhir.Type]lists
}

// Describe implements [fhir.Repository]: what Inner can do, and the includes
// that follow from its parameters. Their lists are shared and read-only.
func (r *Repository) Describe(t fhir.Type) fhir.Capability {
	c := r.Inner.Describe(t)
	if c.Search {
		l := r.list().types[t]
		c.Include, c.RevInclude = slices.Clip(l.include), slices.Clip(l.reverse)
	}
	return c
}

// list gives the lists, made anew when Inner has changed. Two callers may make them
// at the same time.
func (r *Repository) list() *described {
	var revision uint64
	if r.Revision != nil {
		revision = r.Revision()
	}
	if have := r.described.Load(); have != nil && have.revision == revision {
		return have
	}
	d := &described{revision, make(map[fhir.Type]lists)}
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
			l := d.types[t]
			l.include = append(l.include, name)
			d.types[t] = l
			for _, target := range targets(p) {
				l := d.types[target]
				l.reverse = append(l.reverse, name)
				d.types[target] = l
			}
		}
	}
	r.described.Store(d)
	return d
}

// targets are the types that a parameter refers to.
func targets(p *fhir.SearchParam) []fhir.Type {
	if len(p.Targets) == 0 {
		return fhir.Types()
	}
	return p.Targets
}
