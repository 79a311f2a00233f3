package search

import (
	"strconv"
	"unicode/utf8"

	"github.com/portico-fhir/portico/fhir"
)

// Filter is the parameter whose value is an expression of the others (R4 3.1.3).
const Filter = "_filter"

// Limits on one _filter; parentheses are bounded by maxNesting. Since "and" and "or" are
// understood from left to right, each change between them is a level, too: stores bound how deep
// conditions go.
const (
	maxTests  = 100
	maxLevels = 30
)

// filterOp says what a filter is made of.
type filterOp string

const (
	filterAnd  filterOp = "and"
	filterOr   filterOp = "or"
	filterNot  filterOp = "not"
	filterTest filterOp = ""
)

// filter is a _filter, taken apart. Which parameters there are depends on the type of
// resource that it is then about.
type filter struct {
	op    filterOp
	parts []*filter // of and, or, not
	test
	levels int // how deep it goes; 0 for a test without a filter in its path
}

// test is a path, an operator and a value (paramExp).
type test struct {
	path    []step
	compare string // the operator, in lower case
	value   string
	at      int // where the operator stands
	valueAt int
}

// step is a name of a path: all but the last are references, and where, if not nil, is what
// they lead to. Places are bytes of the text.
type step struct {
	name  string
	where *filter
	at    int
}

// expression reads _filter. A problem is noted with the character at which it is, under
// lenient handling, too: an expression of which a part is left out means something else.
func (r *reader) expression(t fhir.Type, p Pair, depth int) fhir.Expr {
	f, problem := parseFilter(p.Value)
	c := filterReader{reader: r, pair: p}
	if problem != nil {
		c.failAt(problem.code, problem.at, "%s", problem.text)
		return nil
	}
	lenient := r.lenient
	r.lenient = false
	defer func() { r.lenient = lenient }()
	return c.expr(t, f, depth)
}

// filterReader gives a filter its meaning.
type filterReader struct {
	*reader
	pair Pair
}

// failAt notes a problem at a byte of the text.
func (c filterReader) failAt(code fhir.IssueCode, at int, format string, args ...any) {
	c.noting(at, func() { c.fail(code, c.pair.Name, format, args...) })
}

// noting puts the place in front of the problems that f notes.
func (c filterReader) noting(at int, f func()) {
	before := len(c.issues)
	f()
	for i := range c.issues[before:] {
		c.issues[before+i].Detail = place(c.pair.Value, at) + c.issues[before+i].Detail
	}
}

// expr gives the condition on a resource of type t, or nil after noting what is wrong.
func (c filterReader) expr(t fhir.Type, f *filter, depth int) fhir.Expr {
	if f.op == filterTest {
		return c.test(t, &f.test, depth)
	}
	parts := make([]fhir.Expr, 0, len(f.parts))
	for _, part := range f.parts {
		if e := c.expr(t, part, depth); e != nil {
			parts = append(parts, e)
		}
	}
	switch {
	case len(parts) < len(f.parts):
		return nil
	case f.op == filterNot:
		return fhir.Not{Expr: parts[0]}
	case f.op == filterOr:
		return fhir.Or(parts)
	}
	return fhir.And(parts)
}

// test reads a test. The operator is asked of all that its path leads to (R4 3.1.3.1): "there
// is none" is therefore the opposite of "there is one", whatever the path.
func (c filterReader) test(t fhir.Type, f *test, depth int) fhir.Expr {
	positive, negated := *f, false
	switch {
	case f.compare == "ni":
		positive.compare, negated = "in", true
	case f.compare == "pr" && f.value == "false":
		positive.value, negated = "true", true
	}
	e := c.along(t, positive.path, &positive, depth)
	if negated && e != nil {
		return fhir.Not{Expr: e}
	}
	return e
}

// along follows a path from a resource of type t.
func (c filterReader) along(t fhir.Type, path []step, f *test, depth int) fhir.Expr {
	first := path[0]
	if c.values++; c.values > maxValues {
		c.failAt(fhir.CodeTooCostly, first.at, "The search has more than %d values, each type counted that a reference may lead to.", maxValues)
		return nil
	}
	if depth > maxChain {
		c.failAt(fhir.CodeTooCostly, first.at, "The chain has more than %d links.", maxChain)
		return nil
	}
	if names, ok := elements(t, first.name); ok && (len(path) > 1 || first.where != nil) {
		return c.element(t, names, path, f)
	}
	var param *fhir.SearchParam
	c.noting(first.at, func() { param = c.param(t, first.name, c.pair) })
	switch {
	case param == nil:
		return nil
	case len(path) == 1:
		return c.compare(param, f)
	case param.Type != fhir.ParamReference:
		c.failAt(fhir.CodeInvalid, first.at, "%q is a %s, not a reference: nothing can be chained to it.", param.Name, param.Type)
		return nil
	}
	targets := c.chainTargets(param, path[1].name)
	if len(targets) == 0 {
		c.failAt(fhir.CodeNotSupported, path[1].at, "None of the types that %q refers to can be searched by %q here.", param.Name, path[1].name)
		return nil
	}
	return c.through(param, targets, func(to fhir.Type) fhir.Expr {
		rest := c.along(to, path[1:], f, depth+1)
		if first.where == nil || rest == nil {
			return rest
		}
		where := c.expr(to, first.where, depth+1)
		if where == nil {
			return nil
		}
		return fhir.And{where, rest}
	})
}

// place says where a byte of a text is, in characters from 1 on.
func place(text string, at int) string {
	if at >= len(text) {
		return "At the end: "
	}
	return "At character " + strconv.Itoa(utf8.RuneCountInString(text[:at])+1) + ": "
}
