package search

import (
	"maps"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// Compartments are the types that have a compartment (R4 2.34), sorted.
func Compartments() []fhir.Type { return slices.Sorted(maps.Keys(compartments)) }

// CompartmentTypes are the types of which resources can be in the compartment
// of a resource of type of, sorted: that one is, too.
func CompartmentTypes(of fhir.Type) []fhir.Type {
	types := slices.Collect(maps.Keys(compartments[of]))
	if types != nil && !slices.Contains(types, of) {
		types = append(types, of)
	}
	slices.Sort(types)
	return types
}

// Membership gives the condition that a resource of type t is in the
// compartment of a resource (R4 2.34): that it is that resource, or refers to it by one of
// the parameters that the CompartmentDefinition names, as far as can offers them.
// ok is false when the type is in no such compartment, or none of the parameters is
// offered.
func Membership(of fhir.Key, t fhir.Type, can fhir.Capability) (condition fhir.Expr, ok bool) {
	var or fhir.Or
	for _, p := range can.Params {
		switch {
		case p.Name == "_id" && of.Type == t && compartments[t] != nil:
			or = append(or, fhir.Term{Param: p, Value: fhir.TokenValue{Code: of.ID, AnySystem: true}})
		case p.Type == fhir.ParamReference && slices.Contains(compartments[of.Type][t], p.Name):
			or = append(or, fhir.Term{Param: p, Value: fhir.ReferenceValue{Type: of.Type, ID: of.ID}})
		}
	}
	switch len(or) {
	case 0:
		return nil, false
	case 1:
		return or[0], true
	}
	return or, true
}

// within adds the condition of a compartment to the query.
func (r *reader) within(of fhir.Key) bool {
	t := r.query.Type
	condition, ok := Membership(of, t, r.capability(t))
	switch {
	case ok:
		r.where = append(r.where, condition)
		return true
	case compartments[of.Type] == nil:
		r.issues = append(r.issues, fhir.Errorf(fhir.CodeNotSupported, "http.url", "%s has no compartment. There are those of %s.", of.Type, list(Compartments())).Issues...)
	case compartments[of.Type][t] == nil && of.Type != t:
		r.issues = append(r.issues, fhir.Errorf(fhir.CodeNotSupported, "http.url", "%s is not in the compartment of a %s.", t, of.Type).Issues...)
	default:
		r.issues = append(r.issues, fhir.Errorf(fhir.CodeNotSupported, "http.url", "What links a %s to a %s cannot be searched here.", t, of.Type).Issues...)
	}
	return false
}

func list(types []fhir.Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}
