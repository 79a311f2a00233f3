package integrity

import "github.com/portico-fhir/portico/fhir"

// Policy says of which types the references are enforced.
type Policy struct {
	Default bool               // of types that Types does not name
	Types   map[fhir.Type]bool // by the type that refers, not that is referred to
}

// Enforced reports whether the references of resources of a type are enforced.
func (p Policy) Enforced(t fhir.Type) bool {
	if enforced, ok := p.Types[t]; ok {
		return enforced
	}
	return p.Default
}

// None reports whether nothing is enforced at all.
func (p Policy) None() bool {
	for _, enforced := range p.Types {
		if enforced {
			return false
		}
	}
	return !p.Default
}
