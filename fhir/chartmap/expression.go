package chartmap

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
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
// where, which lenses can follow.
func expression(expr string, t fhir.Type) (paths [][]step, ok bool) {
	e, err := path.Parse(expr)
	if err != nil {
		return nil, false // of the special parameters, _id and _lastUpdated are known by name
	}
	for _, part := range e.Alternatives() {
		switch part.Start() {
		case "", "Resource", "DomainResource":
			return nil, false
		case string(t):
			steps, ok := stepsTo(part.Root)
			if !ok {
				return nil, false
			}
			paths = append(paths, steps)
		}
	}
	return paths, true
}

// stepsTo gives the steps from the type at the start of a path to n.
func stepsTo(n path.Node) ([]step, bool) {
	switch n := n.(type) {
	case *path.Member:
		if n.Input == nil {
			return nil, true
		}
		steps, ok := stepsTo(n.Input)
		return append(steps, step{name: n.Name}), ok
	case *path.TypeOp:
		if n.Op == "as" {
			return narrowed(n.Input, n.Type)
		}
	case *path.Call:
		if n.Input == nil || len(n.Args) != 1 {
			return nil, false
		}
		switch n.Name {
		case "as", "ofType":
			if typ, ok := name(n.Args[0]); ok {
				return narrowed(n.Input, typ)
			}
		case "extension": // is where(url = …)
			steps, ok := stepsTo(n.Input)
			url, isLiteral := n.Args[0].(*path.Literal)
			if !ok || !isLiteral || url.Item == nil || url.Item.Kind() != path.String {
				return nil, false
			}
			return append(steps, step{name: "extension"}, step{whereName: "url", whereValue: url.Item.String(), conditional: true}), true
		case "where":
			steps, ok := stepsTo(n.Input)
			where, fits := condition(n.Args[0])
			return append(steps, where), ok && fits && len(steps) > 0
		}
	}
	return nil, false
}

// narrowed casts the last step to n.
func narrowed(n path.Node, typ string) ([]step, bool) {
	steps, ok := stepsTo(n)
	if !ok || len(steps) == 0 {
		return nil, false
	}
	steps[len(steps)-1].as = typ
	return steps, true
}

// condition reads what stands in where().
func condition(n path.Node) (step, bool) {
	switch n := n.(type) {
	case *path.TypeOp:
		call, ok := n.Input.(*path.Call)
		t := fhir.Type(n.Type)
		return step{is: t, conditional: true}, ok && n.Op == "is" && call.Name == "resolve" && call.Input == nil && t.Valid()
	case *path.Binary:
		field, isName := name(n.Left)
		value, isLiteral := n.Right.(*path.Literal)
		if n.Op != "=" || !isName || !isLiteral || value.Item == nil {
			return step{}, false
		}
		return step{whereName: field, whereValue: value.Item.String(), conditional: true}, value.Item.Kind() == path.String
	}
	return step{}, false
}

// name reads a bare name.
func name(n path.Node) (string, bool) {
	m, ok := n.(*path.Member)
	if !ok || m.Input != nil {
		return "", false
	}
	return m.Name, true
}
