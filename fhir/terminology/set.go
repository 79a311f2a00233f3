package terminology

import "github.com/portico-fhir/portico/fhir"

// coding is a code of a system.
type coding struct{ system, code string }

// set is what a value set holds: codings, and systems of which it holds all
// codes without their being known.
type set struct {
	codings map[coding]bool
	systems map[string]bool
}

func newSet() set { return set{make(map[coding]bool), make(map[string]bool)} }

func (s set) add(other set) {
	for c := range other.codings {
		s.codings[c] = true
	}
	for system := range other.systems {
		s.systems[system] = true
	}
}

func (s set) has(c coding) bool { return s.codings[c] || s.systems[c.system] }

// and gives what is in both.
func (s set) and(other set) set {
	both := newSet()
	for c := range s.codings {
		if other.has(c) {
			both.codings[c] = true
		}
	}
	for c := range other.codings {
		if s.has(c) {
			both.codings[c] = true
		}
	}
	for system := range s.systems {
		if other.systems[system] {
			both.systems[system] = true
		}
	}
	return both
}

// without takes away what is in other. It fails where codes would have to be taken
// from a system whose codes are not known, which it names.
func (s set) without(other set) (unknown string) {
	for c := range other.codings {
		if s.systems[c.system] && !other.systems[c.system] {
			return c.system
		}
		delete(s.codings, c)
	}
	for system := range other.systems {
		delete(s.systems, system)
		for c := range s.codings {
			if c.system == system {
				delete(s.codings, c)
			}
		}
	}
	return ""
}

// tokens are those by which the members are found.
func (s set) tokens() fhir.TokenSet {
	var tokens []fhir.TokenValue
	for c := range s.codings {
		if !s.systems[c.system] {
			tokens = append(tokens, fhir.TokenValue{System: c.system, Code: c.code})
		}
	}
	for system := range s.systems {
		tokens = append(tokens, fhir.TokenValue{System: system, AnyCode: true})
	}
	return fhir.NewTokenSet(tokens)
}
