package policy

import "github.com/portico-fhir/portico/smart/scope"

// Narrow gives what is left of scopes for a proxy who may do e: letters that nothing of
// the type can be done with go. A scope for all types stays as it is, and so do those of
// types that are about no patient. What the guard permits does not depend on it: it tells
// the app what to expect.
func (p *Policy) Narrow(e *Effective, s scope.Set) scope.Set {
	var left []scope.Scope
	for one := range s.All() {
		if letters := p.letters(e, one); letters != one.Letters {
			one = scope.Scope{Context: one.Context, Type: one.Type, Letters: letters, Filter: one.Filter} // spelled anew
		}
		left = append(left, one)
	}
	return scope.Of(left...)
}

// letters are those of a scope with which something can be done.
func (p *Policy) letters(e *Effective, one scope.Scope) scope.Letters {
	if c := p.classes[one.Type]; c != Record && c != AsAttached {
		return one.Letters
	}
	var open scope.Letters
	for _, a := range actions {
		switch {
		case len(p.Opens(e, one.Type, a)) == 0:
		case a == See:
			open |= scope.ReadV1
		case a == End:
			open |= scope.Update
		default:
			open |= scope.WriteV1
		}
	}
	return one.Letters & open
}
