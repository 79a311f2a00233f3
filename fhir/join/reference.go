package join

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
)

// paths are the parts of a parameter's expression that lead somewhere on a type.
type paths []*path.Expr

// maxSteps lets an expression walk through the largest resource: those of
// parameters look at each element a few times.
const maxSteps = 1 << 24

// paths compiles the expression of a reference parameter of the type.
func (t *resourceType) paths(p *fhir.SearchParam) (paths, error) {
	if have, ok := t.references[p]; ok {
		return have, nil
	}
	e, err := path.Parse(p.Expression)
	if err != nil {
		return nil, fmt.Errorf("search parameter %s: %w", p.URL, err)
	}
	all := slices.DeleteFunc(e.Alternatives(), func(e *path.Expr) bool {
		start := fhir.Type(e.Start())
		return start.Valid() && start != t.name
	})
	t.references[p] = all
	return all, nil
}

// referenceParams are the reference parameters of the type.
func (t *resourceType) referenceParams() []*fhir.SearchParam {
	var all []*fhir.SearchParam
	for _, p := range t.Params {
		if p.Type == fhir.ParamReference {
			all = append(all, p)
		}
	}
	return all
}

// references gives the resources of this server that a resource refers to by a
// parameter. Keys may repeat.
func (r *request) references(doc *path.Doc, t fhir.Type, p *fhir.SearchParam) ([]fhir.Key, error) {
	exprs, err := r.of(t).paths(p)
	if err != nil {
		return nil, err
	}
	var keys []fhir.Key
	for _, e := range exprs {
		items, err := e.Eval(&path.Env{MaxSteps: maxSteps}, doc.Root())
		if errors.Is(err, path.ErrTooCostly) {
			return nil, fmt.Errorf("search parameter %s: %w", p.URL, err)
		}
		// Other errors say that the expression does not fit this resource.
		for _, it := range items {
			if ref := fhir.ParseReference(target(it), r.base); ref.Kind == fhir.RefLocal {
				keys = append(keys, ref.Key)
			}
		}
	}
	return keys, nil
}

// parse makes the body ready for expressions.
func parse(res fhir.Resource) (*path.Doc, error) {
	doc, err := path.NewDoc(res.Body, schema.Model{})
	if err != nil {
		return nil, fmt.Errorf("the references of %s: %w", res.Key, err)
	}
	return doc, nil
}

// target gives what a Reference, canonical or uri says.
func target(it path.Item) string {
	if it.Type() != "Reference" {
		return it.String()
	}
	for c := range it.Children("reference") {
		return c.String()
	}
	return ""
}
