package index

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// maxCompared is up to how many keys a document is compared with where no index is
// looked into. Looking at the resource itself costs the same for any number.
const maxCompared = 200

// long reports whether a filter is a list that no document should be compared
// with.
func long(f store.Filter) bool {
	in, ok := f.(store.In)
	return ok && len(in.Values) > maxCompared
}

// tokensOf gives the tokens that a term asks for, none when it asks for something
// else or for too many to list.
func tokensOf(v fhir.Value) []fhir.TokenValue {
	switch v := v.(type) {
	case fhir.TokenValue:
		return []fhir.TokenValue{v}
	case fhir.TokenSet:
		if tokens := v.Tokens(); len(tokens) <= maxCompared {
			return tokens
		}
	}
	return nil
}

// tokens finds any of a set of tokens, by a list of keys. All codes of a system
// are not one stretch of the index: they show by looking.
func (c *compiler) tokens(p *param, set fhir.TokenSet) Plan {
	var keys []store.Value
	for _, v := range set.Tokens() {
		plan := c.token(p, v)
		if !plan.Exact {
			return plan
		}
		if eq, ok := plan.Where.(store.Eq); ok {
			keys = append(keys, eq.Value)
		}
	}
	return exact(c.in(keys))
}

// unresolved reports whether a term needs more than the resource to be told.
func unresolved(t fhir.Term) bool {
	token := t.Param.Type == fhir.ParamToken
	return token && (t.Modifier == fhir.ModIn || t.Modifier == fhir.ModAbove || t.Modifier == fhir.ModBelow)
}

// alone reports whether a condition can be told by a resource of the type alone.
func (it *Type) alone(e fhir.Expr) bool {
	return !fhir.Some(e, func(e fhir.Expr) bool {
		switch e := e.(type) {
		case fhir.Term:
			return unresolved(e) || it.byName[e.Param.Name] == nil
		case fhir.Chain, fhir.Has:
			return true
		}
		return false
	})
}
