package search

import (
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// Shape is how much of each resource a client wants: Summary is true, text or
// data, or "" for all of it (R4 3.1.1.5.8); Elements are the names of _elements
// (R4 3.1.1.5.9), which only package subset can judge.
type Shape struct {
	Summary  string
	Elements []string
}

// ReadShape takes _summary and _elements out of the parameters of an interaction
// that is not a search. What is left comes back; params stays as it is.
func ReadShape(params []Pair) (Shape, []Pair, error) {
	var rest []Pair
	r := reader{seen: map[string]bool{}}
	for _, p := range params {
		switch {
		case p.Name != "_summary" && p.Name != "_elements":
			rest = append(rest, p)
		case p.Name == "_summary" && p.Value == "count":
			r.fail(fhir.CodeInvalid, p.Name, "_summary=count counts what a search finds. Here it must be true, text, data or false.")
		default:
			r.pair(p)
		}
	}
	if len(r.issues) > 0 {
		return Shape{}, nil, &fhir.Error{Issues: r.issues}
	}
	return r.shape, rest, nil
}

// summary reads _summary (R4 3.1.1.5.8).
func (r *reader) summary(p Pair) {
	switch p.Value {
	case "false":
	case "count":
		r.countOnly = true
	case "true", "text", "data":
		r.shape.Summary = p.Value
	default:
		r.fail(fhir.CodeInvalid, p.Name, "_summary must be true, text, data, count or false.")
		return
	}
	r.used = append(r.used, p)
}

// elements reads the list of _elements (R4 3.1.1.5.9).
func (r *reader) elements(p Pair) {
	if p.Value == "" {
		r.fail(fhir.CodeInvalid, p.Name, "_elements lists elements, as in _elements=identifier,name. It is empty.")
		return
	}
	r.shape.Elements = strings.Split(p.Value, ",")
	if r.values += len(r.shape.Elements); r.values > maxValues {
		r.fail(fhir.CodeTooCostly, p.Name, "_elements names more than %d elements.", maxValues)
		return
	}
	r.used = append(r.used, p)
}

// finish looks at what parameters say together.
func (r *reader) finish() {
	switch {
	case r.shape.Elements != nil && (r.shape.Summary != "" || r.countOnly):
		r.fail(fhir.CodeInvalid, "_elements", "_elements and _summary exclude each other.")
	case r.shape.Summary == "text" && len(r.query.Include) > 0:
		r.fail(fhir.CodeInvalid, "_summary", "_summary=text cannot be mixed with _include and _revinclude.")
	}
}
