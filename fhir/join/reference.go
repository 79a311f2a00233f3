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

// parse makes the body ready for expressions.
func parse(res fhir.Resource) (*path.Doc, error) {
	doc, err := path.NewDoc(res.Body, schema.Model{})
	if err != nil {
		return nil, fmt.Errorf("the references of %s: %w", res.Key, err)
	}
	return doc, nil
}

// references gives what a resource refers to by a parameter: resources of this
// server by their keys, others by their URLs. They may repeat.
func (r *request) references(doc *path.Doc, t fhir.Type, p *fhir.SearchParam) ([]address, error) {
	exprs, err := r.of(t).paths(p)
	if err != nil {
		return nil, err
	}
	var out []address
	for _, e := range exprs {
		items, err := e.Eval(&path.Env{MaxSteps: maxSteps}, doc.Root())
		if errors.Is(err, path.ErrTooCostly) {
			return nil, fmt.Errorf("search parameter %s: %w", p.URL, err)
		}
		// Other errors say that the expression does not fit this resource.
		for _, it := range items {
			out = r.read(out, it)
		}
	}
	return out, nil
}

// read appends where a Reference, canonical or uri leads. Other absolute URLs than
// ours are canonicals, if anything here has them.
func (r *request) read(out []address, it path.Item) []address {
	text := it.String()
	if it.Type() == "Reference" {
		text = child(it, "reference")
	}
	ref := fhir.ParseReference(text, r.base)
	switch ref.Kind {
	case fhir.RefLocal:
		return append(out, address{key: ref.Key})
	case fhir.RefExternal, fhir.RefURN:
		return append(out, address{url: ref.URL, version: ref.Version})
	}
	return out
}

// child gives the text of an element's child.
func child(it path.Item, name string) string {
	for c := range it.Children(name) {
		return c.String()
	}
	return ""
}
