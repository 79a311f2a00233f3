package fhir

import (
	"cmp"
	"slices"
)

// TokenSet is the value of a term on a token that any of several tokens satisfies:
// what a value set holds, or a part of a hierarchy. The zero value is the empty
// set, which nothing satisfies. Immutable.
type TokenSet struct {
	tokens []TokenValue
	codes  map[systemCode]bool
}

// systemCode is a token of one system; without a code it is all of them.
type systemCode struct{ system, code string }

// NewTokenSet makes a set of tokens, each of which has a system and either a code or
// AnyCode.
func NewTokenSet(tokens []TokenValue) TokenSet {
	s := TokenSet{codes: make(map[systemCode]bool, len(tokens))}
	for _, t := range tokens {
		key := systemCode{t.System, t.Code}
		if !s.codes[key] {
			s.codes[key] = true
			s.tokens = append(s.tokens, t)
		}
	}
	slices.SortFunc(s.tokens, func(a, b TokenValue) int {
		return cmp.Or(cmp.Compare(a.System, b.System), cmp.Compare(a.Code, b.Code))
	})
	return s
}

// Tokens are the members, sorted by system and code. The slice is read-only.
func (s TokenSet) Tokens() []TokenValue { return s.tokens }

// Has reports whether a coding is in the set.
func (s TokenSet) Has(system, code string) bool {
	return code != "" && s.codes[systemCode{system, code}] || s.codes[systemCode{system, ""}]
}
