package chartmap

import (
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// step is one part of a search parameter's FHIRPath expression.
type step struct {
	name        string // element
	as          string // type that a choice is narrowed to
	whereName   string // where(name = 'value')
	whereValue  string
	is          fhir.Type // where(resolve() is type)
	conditional bool      // a where step, not an element
}

// expression gives the paths on type t that the expression of a search
// parameter selects. It is not ok where it is more than paths: R4 writes nearly
// all of them as unions of Type.element.element with casts and two kinds of
// where; the others stay with a full FHIRPath engine.
func expression(expr string, t fhir.Type) (paths [][]step, ok bool) {
	for _, part := range splitUnion(expr) {
		p := pathParser{rest: strings.TrimSpace(part)}
		root, steps, ok := p.path()
		if !ok || p.rest != "" {
			if mentions(part, t) {
				return nil, false
			}
			continue
		}
		if root == string(t) {
			paths = append(paths, steps)
		}
		if root == "Resource" || root == "DomainResource" {
			return nil, false // of these, _id and _lastUpdated are known by name
		}
	}
	return paths, true
}

// mentions reports whether a part of an expression is about t.
func mentions(part string, t fhir.Type) bool {
	part = strings.TrimLeft(part, " (")
	return part == string(t) || strings.HasPrefix(part, string(t)+".") || strings.HasPrefix(part, string(t)+" ") || strings.HasPrefix(part, "Resource")
}

// splitUnion cuts at "|" outside parentheses.
func splitUnion(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth == 0 {
				parts = append(parts, s[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, s[start:])
}

// pathParser consumes rest from the left.
type pathParser struct{ rest string }

func (p *pathParser) skip(s string) bool {
	p.rest = strings.TrimLeft(p.rest, " ")
	rest, ok := strings.CutPrefix(p.rest, s)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *pathParser) word() string {
	p.rest = strings.TrimLeft(p.rest, " ")
	n := 0
	for n < len(p.rest) && (p.rest[n] >= 'a' && p.rest[n] <= 'z' || p.rest[n] >= 'A' && p.rest[n] <= 'Z' || p.rest[n] >= '0' && p.rest[n] <= '9') {
		n++
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

// path reads Type.a.b, (Type.a as T).b, Type.a.as(T), Type.a.where(…).
func (p *pathParser) path() (root string, steps []step, ok bool) {
	if p.skip("(") {
		root, steps, ok = p.path()
		if !ok {
			return "", nil, false
		}
		if p.skip("as ") {
			if len(steps) == 0 {
				return "", nil, false
			}
			steps[len(steps)-1].as = p.word()
		}
		if !p.skip(")") {
			return "", nil, false
		}
	} else if root = p.word(); root == "" {
		return "", nil, false
	}
	for p.skip(".") {
		name := p.word()
		if name == "" {
			return "", nil, false
		}
		if !p.skip("(") {
			steps = append(steps, step{name: name})
			continue
		}
		s, ok := p.call(name, steps)
		if !ok || !p.skip(")") {
			return "", nil, false
		}
		steps = s
	}
	return root, steps, true
}

// call reads the arguments of as(…) and where(…).
func (p *pathParser) call(name string, steps []step) ([]step, bool) {
	switch {
	case len(steps) == 0:
		return nil, false
	case name == "as" || name == "ofType":
		steps[len(steps)-1].as = p.word()
		return steps, steps[len(steps)-1].as != ""
	case name != "where":
		return nil, false
	case p.skip("resolve() is "):
		t := fhir.Type(p.word())
		return append(steps, step{is: t, conditional: true}), t.Valid()
	}
	field := p.word()
	if field == "" || !p.skip("=") || !p.skip("'") {
		return nil, false
	}
	value, rest, ok := strings.Cut(p.rest, "'")
	p.rest = rest
	return append(steps, step{whereName: field, whereValue: value, conditional: true}), ok
}
