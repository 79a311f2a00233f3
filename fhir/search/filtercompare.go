package search

import (
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// filterOperators are those of R4 3.1.3.2.
func filterOperators() []string {
	return []string{"eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr", "po", "ss", "sb", "in", "ni", "re"}
}

// filterOperatorsOn are those that mean something on a type of parameter. R4's table has no
// column for URIs and composites: of them what the operators' definitions say of
// any value.
var filterOperatorsOn = map[fhir.ParamType][]string{
	fhir.ParamString:    {"eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "pr"},
	fhir.ParamNumber:    {"eq", "ne", "co", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr"},
	fhir.ParamDate:      {"eq", "ne", "co", "gt", "lt", "ge", "le", "ap", "sa", "eb", "po", "pr"},
	fhir.ParamToken:     {"eq", "ne", "ss", "sb", "in", "ni", "pr"},
	fhir.ParamReference: {"re", "pr"},
	fhir.ParamQuantity:  {"eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr"},
	fhir.ParamURI:       {"eq", "ne", "pr"},
	fhir.ParamComposite: {"eq", "pr"},
	fhir.ParamSpecial:   {"pr"},
}

// compare reads a test of a parameter's own values.
func (c filterReader) compare(param *fhir.SearchParam, f *test) fhir.Expr {
	switch known := filterOperatorsOn[param.Type]; {
	case isText(param):
		c.failAt(fhir.CodeNotSupported, f.at, "Full text is searched by %s as a parameter of its own, not in a filter.", param.Name)
		return nil
	case !slices.Contains(known, f.compare):
		c.failAt(fhir.CodeInvalid, f.at, "%q means nothing on %q, which is of type %s. Use %s.%s", f.compare, param.Name, param.Type, strings.Join(known, ", "), instead(param, f.compare))
		return nil
	case param.Name == "_id" && slices.Contains([]string{"ss", "sb", "in"}, f.compare):
		c.failAt(fhir.CodeInvalid, f.at, "Ids are logical: they are in no code system and no value set.")
		return nil
	}
	term, problem := c.term(param, f)
	if problem != "" {
		c.failAt(fhir.CodeInvalid, f.valueAt, "%s", problem)
		return nil
	}
	return term
}

func instead(param *fhir.SearchParam, op string) string {
	if param.Type == fhir.ParamReference && (op == "eq" || op == "ne") {
		return " A reference is compared by re, its opposite is not(… re …)."
	}
	return ""
}

// term reads the value as the type of the parameter and the operator have it.
func (c filterReader) term(param *fhir.SearchParam, f *test) (term fhir.Term, problem string) {
	term.Param = param
	if f.compare == "pr" {
		if f.value != "true" {
			return term, "pr takes true or false."
		}
		term.Modifier, term.Value = fhir.ModMissing, fhir.BoolValue(false)
		return term, ""
	}
	switch param.Type {
	case fhir.ParamString:
		term.Modifier, term.Value = ofText(f.compare), fhir.StringValue(f.value)
		if strings.TrimSpace(f.value) == "" {
			problem = "The value is only white space."
		}
	case fhir.ParamNumber, fhir.ParamDate, fhir.ParamQuantity:
		term.Prefix = fhir.Prefix(f.compare)
		if c := f.value[0]; 'a' <= c && c <= 'z' {
			return term, "Expected a " + string(param.Type) + ": in a filter the comparison stands in front of it, as in ge 2024."
		}
		_, term.Value, problem = c.value(param, "", "", systemNamed(f.value, param.Type))
	case fhir.ParamToken:
		switch f.compare {
		case "ne":
			term.Modifier = fhir.ModUnequal
		case "ss":
			term.Modifier = fhir.ModBelow
		case "sb":
			term.Modifier = fhir.ModAbove
		case "in":
			term.Modifier = fhir.ModIn
			term.Value, problem = c.valueSetValue(f.value)
			return term, problem
		}
		if problem = oneOnly(f.value); problem != "" {
			return term, problem
		}
		term.Value, problem = tokenValue(param, systemNamed(f.value, param.Type))
		if problem == "" && (f.compare == "ss" || f.compare == "sb") {
			problem = placed(term.Value)
		}
	case fhir.ParamReference:
		term.Value, problem = c.referenceValue(param, "", f.value)
	case fhir.ParamURI:
		term.Value = fhir.URIValue(f.value)
		if f.compare == "ne" {
			term.Modifier = fhir.ModUnequal
		}
	case fhir.ParamComposite:
		if problem = oneOnly(f.value); problem == "" {
			term.Value, problem = c.compositeValue(param, f.value)
		}
	}
	return term, problem
}

// ofText gives the modifier that compares text as an operator does.
func ofText(op string) fhir.Modifier {
	switch op {
	case "sw":
		return ""
	case "co":
		return fhir.ModContains
	}
	return fhir.Modifier(op)
}

// oneOnly refuses what other searches take for several values.
func oneOnly(s string) string {
	if len(splitEscaped(s, ',')) == 1 {
		return ""
	}
	return `A filter's value is one value: alternatives are written with "or", and a comma within a code as "\,".`
}

// systemNamed puts in the place of the names that R4 3.1.3.2 gives to code systems what
// they stand for.
func systemNamed(s string, t fhir.ParamType) string {
	parts := splitEscaped(s, '|')
	at := 0
	if t == fhir.ParamQuantity {
		at = 1
	}
	if at+1 >= len(parts) {
		return s
	}
	full, ok := map[string]string{
		"loinc": "http://loinc.org", "snomed": "http://snomed.info/sct",
		"rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm", "ucum": "http://unitsofmeasure.org",
	}[parts[at]]
	if !ok {
		return s
	}
	parts[at] = full
	return strings.Join(parts, "|")
}
