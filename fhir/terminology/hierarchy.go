package terminology

import (
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// system is a code system all of whose codes are known.
type system struct {
	*codeSystem
	concepts map[string]*concept
	codes    []string // in the order of the definition
	parents  map[string][]string
	children map[string][]string
}

// The properties that say where a code stands (R4 4.8.9), beside nesting.
const (
	propertyParent     = "parent"
	propertySubsumedBy = "subsumedBy"
	propertyChild      = "child"
)

func newSystem(def *codeSystem) *system {
	s := &system{
		codeSystem: def, concepts: make(map[string]*concept),
		parents: make(map[string][]string), children: make(map[string][]string),
	}
	s.read(def.Concept, "")
	for _, code := range s.codes {
		for _, p := range s.concepts[code].Property {
			switch p.Code {
			case propertyParent, propertySubsumedBy:
				s.link(p.value, code)
			case propertyChild:
				s.link(code, p.value)
			}
		}
	}
	return s
}

func (s *system) read(concepts []concept, parent string) {
	for i := range concepts {
		c := &concepts[i]
		if _, twice := s.concepts[c.Code]; !twice {
			s.concepts[c.Code] = c
			s.codes = append(s.codes, c.Code)
		}
		if parent != "" {
			s.link(parent, c.Code)
		}
		s.read(c.Concept, c.Code)
	}
}

func (s *system) link(parent, child string) {
	if parent != "" && !slices.Contains(s.parents[child], parent) {
		s.parents[child] = append(s.parents[child], parent)
		s.children[parent] = append(s.children[parent], child)
	}
}

// reach gives a code and all that next leads to from there, however often; a
// hierarchy that runs in a circle ends.
func reach(code string, next map[string][]string) map[string]bool {
	seen := map[string]bool{code: true}
	for todo := []string{code}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, to := range next[at] {
			if !seen[to] {
				seen[to] = true
				todo = append(todo, to)
			}
		}
	}
	return seen
}

// subsumes refuses a hierarchy that only groups codes or has no such meaning (R4
// 4.8.9, hierarchyMeaning).
func (s *system) subsumes() error {
	if m := s.HierarchyMeaning; m == "grouped-by" || m == "classified-with" {
		return fhir.Errorf(fhir.CodeNotSupported, "", "The hierarchy of %s is %s: a code there does not stand for those below it.", s.URL, m)
	}
	return nil
}

// around gives the codes above or below one, itself included.
func (s *system) around(code string, next map[string][]string) (map[string]bool, error) {
	if s.concepts[code] == nil {
		return nil, fhir.Errorf(fhir.CodeInvalid, "", "%s has no code %q.", s.URL, code)
	}
	if err := s.subsumes(); err != nil {
		return nil, err
	}
	return reach(code, next), nil
}

// inactive reports whether a code is no longer in use.
func (c *concept) inactive() bool {
	return slices.ContainsFunc(c.Property, func(p property) bool {
		return p.Code == "inactive" && p.value == "true" || p.Code == "status" && p.value == "retired"
	})
}
