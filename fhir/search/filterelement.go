package search

import (
	"github.com/portico-fhir/portico/fhir"
)

// elementNames are a name that stands for the elements which a composite parameter is about,
// and those of their parts, as they are written behind it and in its filter (R4 3.1.3.3).
type elementNames struct {
	composite string
	parts     map[string]int // which component
}

// elements finds them. Of the others that R4 lists it has no search parameters, or, for
// relatesTo, a composite that mistakes its parts for each other.
func elements(t fhir.Type, name string) (elementNames, bool) {
	if t == "Group" && name == "characteristic" {
		return elementNames{"characteristic-value", map[string]int{"code": 0, "value": 1}}, true
	}
	return elementNames{}, false
}

// element reads name[part op value].part op value: one element has both.
func (c filterReader) element(t fhir.Type, names elementNames, path []step, f *test) fhir.Expr {
	first := path[0]
	inner := first.where
	if inner == nil || inner.op != filterTest || len(inner.path) != 1 || len(path) != 2 {
		c.failAt(fhir.CodeNotSupported, first.at, "%q is written %s[part op value].part op value.", first.name, first.name)
		return nil
	}
	var composite *fhir.SearchParam
	c.noting(first.at, func() { composite = c.param(t, names.composite, c.pair) })
	if composite == nil {
		return nil
	}
	terms := make(fhir.CompositeValue, len(composite.Components))
	for _, part := range []struct {
		name step
		test *test
	}{{inner.path[0], &inner.test}, {path[1], f}} {
		i, ok := names.parts[part.name.name]
		if !ok || terms[i].Param != nil {
			c.failAt(fhir.CodeInvalid, part.name.at, "Expected one part of %q in the brackets and the other behind them.", first.name)
			return nil
		}
		term, ok := c.compare(Part(composite.Components[i]), part.test).(fhir.Term)
		switch {
		case !ok:
			return nil
		case term.Modifier != "" && term.Modifier != fhir.ModUnequal && term.Modifier != fhir.ModMissing, part.test.compare == "pr" && part.test.value != "true":
			c.failAt(fhir.CodeNotSupported, part.test.at, "%q is not supported on a part of %q.", part.test.compare, first.name)
			return nil
		}
		terms[i] = term
	}
	return fhir.Term{Param: composite, Value: terms}
}
