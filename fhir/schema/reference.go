package schema

import (
	"bytes"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// reference checks Reference.reference (R4 2.3.0.1). Arg says which types the
// element that holds the Reference may point to.
func (r *run) reference(text []byte, arg uint16) {
	if text[0] == '#' {
		r.fragment(text[1:])
		return
	}
	ref := fhir.ParseReference(string(text), r.base)
	switch ref.Kind {
	case fhir.RefLocal:
		r.target(ref.Key.Type, arg)
	case fhir.RefInvalid:
		if t, ok := conditional(text); ok && r.bundles > 0 {
			r.target(t, arg)
			return
		}
		r.issue(fhir.CodeValue, "not a reference: [type]/[id] of an R4 type, #[id], urn:uuid:…, urn:oid:… or an absolute URL was expected")
	}
}

// conditional reads [type]?[search], which stands for a resource to be found in
// a transaction (R4 3.1.0.11.2).
func conditional(text []byte) (fhir.Type, bool) {
	name, query, found := bytes.Cut(text, []byte("?"))
	t := fhir.Type(name)
	return t, found && len(query) > 0 && t.Valid()
}

func (r *run) target(t fhir.Type, arg uint16) {
	allowed := targets(arg)
	if allowed == nil {
		return
	}
	if _, ok := slices.BinarySearch(allowed, t); !ok {
		r.issue(fhir.CodeValue, "a reference to %s is not allowed here; allowed: %s", t, listTypes(allowed))
	}
}

func listTypes(types []fhir.Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}
