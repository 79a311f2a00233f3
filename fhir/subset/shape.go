package subset

import (
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// Mode is a value of _summary (R4 3.1.1.5.8). The zero value is false.
type Mode string

// The modes that leave something of a resource; count leaves nothing.
const (
	Whole   Mode = ""
	Summary Mode = "true"
	Text    Mode = "text"
	Data    Mode = "data"
)

// Shape says how much of each resource is wanted. The zero value, and nil, is
// all of it.
// Immutable, safe for concurrent use.
type Shape struct {
	mode     Mode
	elements []string               // wanted of every type
	byType   map[fhir.Type][]string // wanted of one type
}

// Whole reports whether nothing is cut off.
func (s *Shape) Whole() bool {
	return s == nil || (s.mode == Whole && s.elements == nil && s.byType == nil)
}

// New makes a Shape. Elements are names of _elements: of elements at the root,
// with a type in front where they are meant for that one only
// ("Patient.name"). Each must be an element of one of the types, or of the type
// that it names: else, and when both mode and elements are given, the error is a
// *fhir.Error. When all is wanted, the Shape is nil.
func New(mode Mode, elements []string, types ...fhir.Type) (*Shape, error) {
	if mode != Whole && len(elements) > 0 {
		return nil, fhir.Errorf(fhir.CodeInvalid, "http._elements", "_elements and _summary exclude each other.")
	}
	if mode == Whole && elements == nil {
		return nil, nil
	}
	s := &Shape{mode: mode}
	for _, name := range elements {
		t, own, qualified := strings.Cut(name, ".")
		if !qualified {
			if !slices.ContainsFunc(types, func(t fhir.Type) bool { return has(t, name) }) {
				return nil, unknown(name, types)
			}
			s.elements = add(s.elements, name)
			continue
		}
		if !has(fhir.Type(t), own) {
			return nil, unknown(own, []fhir.Type{fhir.Type(t)})
		}
		if s.byType == nil {
			s.byType = make(map[fhir.Type][]string)
		}
		s.byType[fhir.Type(t)] = add(s.byType[fhir.Type(t)], own)
	}
	return s, nil
}

func add(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// has reports whether a resource of the type has the element at its root.
func has(t fhir.Type, name string) bool {
	return t.Valid() && slices.ContainsFunc(nodes()[string(t)].elements, func(e element) bool { return e.name == name })
}

func unknown(name string, types []fhir.Type) error {
	var known []string
	for _, t := range types {
		if !t.Valid() {
			return fhir.Errorf(fhir.CodeInvalid, "http._elements", "%q is no resource type. Elements are named as in name, or Patient.name.", string(t))
		}
		for _, e := range nodes()[string(t)].elements {
			known = append(known, e.name)
		}
	}
	of := "The resources have"
	if len(types) == 1 {
		of = string(types[0]) + " has"
	}
	if near := fhir.Nearest(name, known); near != "" {
		return fhir.Errorf(fhir.CodeInvalid, "http._elements", "%s no element %q at the root. Did you mean %q?", of, name, near)
	}
	return fhir.Errorf(fhir.CodeInvalid, "http._elements", "%s no element %q at the root.", of, name)
}

// keeps tells what to do with an element at the root.
func (s *Shape) keeps(t fhir.Type, e *element) bool {
	switch e.name {
	case "id", "meta", "implicitRules", "modifierExtension":
		return true // the rest cannot be understood without them
	}
	switch {
	case e.mandatory:
		return true
	case s.mode == Summary:
		return e.summary
	case s.mode == Text:
		return e.name == "text"
	case s.mode == Data:
		return e.name != "text"
	}
	return slices.Contains(s.elements, e.name) || slices.Contains(s.byType[t], e.name)
}
