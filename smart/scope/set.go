package scope

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// Set is a set of scopes, in the order in which they were asked for. The zero
// value is empty and allows nothing. Sets are immutable and safe for concurrent
// use.
type Set struct {
	scopes []Scope // none twice
	text   string
}

// Bad is a scope that was refused. Why is a sentence for the client.
type Bad struct{ Scope, Why string }

// Error implements error.
func (b Bad) Error() string { return fmt.Sprintf("scope %q: %s", b.Scope, b.Why) }

// maxScopes bounds a set.
const maxScopes = 500

// Parse reads scopes separated by white space (RFC 6749 3.3). Those that it
// cannot read are not in the set; it says why. Of more than 500 scopes the rest is
// refused.
func Parse(text string) (Set, []Bad) {
	var scopes []Scope
	var bad []Bad
	for n, field := range strings.Fields(text) {
		if n == maxScopes {
			return Of(scopes...), append(bad, Bad{field, "There are too many scopes."})
		}
		s, why := parse(field)
		if why != "" {
			bad = append(bad, Bad{field, why})
			continue
		}
		scopes = append(scopes, s)
	}
	return Of(scopes...), bad
}

// Of makes a set of scopes, each once. A Scope without letters allows nothing and
// is left out.
func Of(scopes ...Scope) Set {
	var s Set
	seen := make(map[Scope]bool, len(scopes))
	var b strings.Builder
	for _, one := range scopes {
		if seen[one] || (one.Name == "" && one.Letters == 0) {
			continue
		}
		seen[one] = true
		s.scopes = append(s.scopes, one)
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(one.String())
	}
	s.text = b.String()
	return s
}

// String gives the scopes separated by spaces, as Parse reads them.
func (s Set) String() string { return s.text }

// Len is the number of scopes.
func (s Set) Len() int { return len(s.scopes) }

// All yields the scopes in their order.
func (s Set) All() iter.Seq[Scope] { return slices.Values(s.scopes) }

// Has reports whether a scope that is not about data is in the set.
func (s Set) Has(name string) bool {
	return name != "" && slices.ContainsFunc(s.scopes, func(one Scope) bool { return one.Name == name })
}

// Reaches reports whether a scope of the context is in the set.
func (s Set) Reaches(c Context) bool {
	return slices.ContainsFunc(s.scopes, func(one Scope) bool { return one.Name == "" && one.Context == c })
}

// Keep gives the scopes for which keep holds.
func (s Set) Keep(keep func(Scope) bool) Set {
	return Of(slices.DeleteFunc(slices.Clone(s.scopes), func(one Scope) bool { return !keep(one) })...)
}

// Allows reports whether the set permits all of want on resources of type t. Filters
// are then nil where it does so without restriction; else only what satisfies one of
// them is permitted.
func (s Set) Allows(c Context, t fhir.Type, want Letters) (granted bool, filters []string) {
	for i := range s.scopes {
		one := &s.scopes[i]
		if one.Name != "" || one.Context != c || (one.Type != "" && one.Type != t) || !one.Letters.Has(want) || want == 0 {
			continue
		}
		if one.Filter == "" {
			return true, nil
		}
		if !slices.Contains(filters, one.Filter) {
			filters = append(filters, one.Filter)
		}
	}
	return filters != nil, filters
}

// Intersect gives what both permit, in the order and, where a scope is permitted
// as a whole, in the spelling of s. Where both restrict the resources, both
// restrictions hold.
func (s Set) Intersect(other Set) Set {
	var all []Scope
	for _, one := range s.scopes {
		all = append(all, one.within(other)...)
	}
	return Of(all...)
}

// Subset reports whether other permits all that s does.
func (s Set) Subset(other Set) bool {
	return !slices.ContainsFunc(s.scopes, func(one Scope) bool {
		return !slices.Contains(one.within(other), one)
	})
}

// within gives the parts of s that the set permits.
func (s Scope) within(set Set) []Scope {
	if s.Name != "" {
		if set.Has(s.Name) {
			return []Scope{s}
		}
		return nil
	}
	var parts []Scope
	for _, other := range set.scopes {
		part, ok := s.meet(other)
		if !ok {
			continue
		}
		same := func(p Scope) bool { return p.Type == part.Type && p.Filter == part.Filter }
		if i := slices.IndexFunc(parts, same); i >= 0 {
			parts[i].Letters |= part.Letters
			continue
		}
		parts = append(parts, part)
	}
	for i := range parts {
		if parts[i].Type == s.Type && parts[i].Letters == s.Letters && parts[i].Filter == s.Filter {
			return []Scope{s}
		}
	}
	return parts
}

// meet gives what two scopes both permit, written with letters.
func (s Scope) meet(other Scope) (Scope, bool) {
	both := Scope{Context: s.Context, Type: s.Type, Letters: s.Letters & other.Letters, Filter: join(s.Filter, other.Filter)}
	if both.Type == "" {
		both.Type = other.Type
	}
	ok := other.Name == "" && other.Context == s.Context && both.Letters != 0 &&
		(other.Type == "" || other.Type == both.Type) && len(both.Filter) <= maxScope
	return both, ok
}

// join conjoins filters: a without those of b that it has, then b.
func join(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	parts := strings.Split(a, "&")
	for part := range strings.SplitSeq(b, "&") {
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "&")
}
