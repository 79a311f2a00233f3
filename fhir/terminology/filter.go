package terminology

import (
	"regexp"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// maxPattern bounds the regular expressions of filters. Matching takes linear time
// whatever they are.
const maxPattern = 500 // bytes

// selects gives the test that a filter makes of a code (R4 4.9.7, filter operators).
func (s *system) selects(f filter) (func(code string) bool, error) {
	switch f.Op {
	case "is-a", "is-not-a", "descendent-of":
		below, err := s.around(f.Value, s.children)
		return func(code string) bool {
			return below[code] != (f.Op == "is-not-a") && (f.Op != "descendent-of" || code != f.Value)
		}, err
	case "generalizes":
		above, err := s.around(f.Value, s.parents)
		return func(code string) bool { return above[code] }, err
	}
	values, err := s.values(f.Property)
	if err != nil {
		return nil, err
	}
	is := func(want ...string) func(code string) bool {
		return func(code string) bool {
			return slices.ContainsFunc(values(code), func(v string) bool { return slices.Contains(want, v) })
		}
	}
	switch f.Op {
	case "=":
		return is(f.Value), nil
	case "in", "not-in":
		list := strings.Split(f.Value, ",")
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
		in := is(list...)
		return func(code string) bool { return in(code) == (f.Op == "in") }, nil
	case "exists":
		if f.Value != "true" && f.Value != "false" {
			return nil, fhir.Errorf(fhir.CodeInvalid, "", "A filter of the value set says that %q exists: %q, which is neither true nor false.", f.Property, f.Value)
		}
		return func(code string) bool { return (len(values(code)) > 0) == (f.Value == "true") }, nil
	case "regex":
		// XML Schema's, which match the whole; RE2 has most of them.
		pattern, err := regexp.Compile(`\A(?:` + f.Value + `)\z`)
		if err != nil || len(f.Value) > maxPattern {
			return nil, fhir.Errorf(fhir.CodeNotSupported, "", "A filter of the value set has a regular expression that cannot be used here.").Because(err)
		}
		return func(code string) bool { return slices.ContainsFunc(values(code), pattern.MatchString) }, nil
	}
	return nil, fhir.Errorf(fhir.CodeNotSupported, "", "A filter of the value set has the operator %q, which is not known here.", f.Op)
}

// values gives what codes have of a property.
func (s *system) values(name string) (func(code string) []string, error) {
	switch name {
	case "concept", "code":
		return func(code string) []string { return []string{code} }, nil
	case "display":
		return func(code string) []string { return []string{s.concepts[code].Display} }, nil
	case propertyParent, propertySubsumedBy:
		return func(code string) []string { return s.parents[code] }, nil
	case propertyChild:
		return func(code string) []string { return s.children[code] }, nil
	}
	if !slices.ContainsFunc(s.Property, func(d propertyDefinition) bool { return d.Code == name }) {
		return nil, fhir.Errorf(fhir.CodeNotSupported, "", "A filter of the value set is on the property %q, which %s is not known to have.", name, s.URL)
	}
	return func(code string) []string {
		var values []string
		for _, p := range s.concepts[code].Property {
			if p.Code == name {
				values = append(values, p.value)
			}
		}
		return values
	}, nil
}
