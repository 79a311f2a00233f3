package search

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
)

// condition reads a _filter on Observations.
func condition(t testing.TB, filter string, lenient bool) (fhir.Expr, error) {
	t.Helper()
	p := testParser(t, "_id", "_text", "birthdate", "code", "code-value-quantity", "date", "name", "organization", "patient", "probability", "status", "subject", "value-quantity", "value-string", "active")
	req, err := p.Parse("Observation", []Pair{{"_filter", filter}}, lenient, "")
	if err != nil {
		return nil, err
	}
	return req.Query.Where, nil
}

func TestG7_16_AFilterBecomesTheSameConditionsAsOtherParameters(t *testing.T) {
	t.Parallel()
	param := func(name string) *fhir.SearchParam { return lookup(t, "Observation", name) }
	of := func(name string) *fhir.SearchParam { return lookup(t, "Patient", name) }
	status := func(code string) fhir.Term {
		return fhir.Term{Param: param("status"), Value: fhir.TokenValue{Code: code, AnySystem: true}}
	}
	there := func(p *fhir.SearchParam) fhir.Term {
		return fhir.Term{Param: p, Modifier: fhir.ModMissing, Value: fhir.BoolValue(false)}
	}
	final, amended := status("final"), status("amended")
	since := fhir.Term{Param: param("date"), Prefix: fhir.GE, Value: date(t, "2024")}
	peter := fhir.Term{Param: of("name"), Modifier: fhir.ModEqual, Value: fhir.StringValue("peter")}
	through := func(where fhir.Expr) fhir.Chain {
		return fhir.Chain{Param: param("patient"), Target: "Patient", Where: where}
	}
	for filter, want := range map[string]fhir.Expr{
		"status eq final":                                         final,
		`status eq "final"`:                                       final,
		"status eq final and date ge 2024":                        fhir.And{final, since},
		"status eq final or status eq amended and date ge 2024":   fhir.And{fhir.Or{final, amended}, since},
		"status eq final or (status eq amended and date ge 2024)": fhir.Or{final, fhir.And{amended, since}},
		"status eq final and date ge 2024 or status eq amended":   fhir.Or{fhir.And{final, since}, amended},
		"status eq final or status eq amended or date ge 2024":    fhir.Or{final, amended, since},
		"(status eq final or status eq amended) or date ge 2024":  fhir.Or{fhir.Or{final, amended}, since},
		"not(status eq final)":                                    fhir.Not{Expr: final},
		"not (status eq final) and date ge 2024":                  fhir.And{fhir.Not{Expr: final}, since},
		"status pr true":                                          there(param("status")),
		"status pr false":                                         fhir.Not{Expr: there(param("status"))},
		"patient.name eq peter":                                   through(peter),
		"patient.birthdate pr false":                              fhir.Not{Expr: through(there(of("birthdate")))},
		"patient[active eq true].name eq peter":                   through(fhir.And{fhir.Term{Param: of("active"), Value: fhir.TokenValue{Code: "true", AnySystem: true}}, peter}),
		"code ni http://example.org/vs":                           fhir.Not{Expr: fhir.Term{Param: param("code"), Modifier: fhir.ModIn, Value: fhir.URIValue("http://example.org/vs")}},
		"code ss snomed|1":                                        fhir.Term{Param: param("code"), Modifier: fhir.ModBelow, Value: fhir.TokenValue{System: "http://snomed.info/sct", Code: "1"}},
		"code sb rxnorm|1":                                        fhir.Term{Param: param("code"), Modifier: fhir.ModAbove, Value: fhir.TokenValue{System: "http://www.nlm.nih.gov/research/umls/rxnorm", Code: "1"}},
		"subject re Patient/1":                                    fhir.Term{Param: param("subject"), Value: fhir.ReferenceValue{Type: "Patient", ID: "1"}},
		`value-string sw "a, (b] \"c\" \\ \u0064"`:                fhir.Term{Param: param("value-string"), Value: fhir.StringValue(`a, (b] "c" \ d`)},
		"value-quantity gt 5.4|ucum|mg": fhir.Term{Param: param("value-quantity"), Prefix: fhir.GT, Value: fhir.QuantityValue{
			NumberValue: number("5.4", "5.35", "5.45"), System: "http://unitsofmeasure.org", Code: "mg",
		}},
		"date po 2024": fhir.Term{Param: param("date"), Prefix: fhir.Overlaps, Value: date(t, "2024")},
	} {
		got, err := condition(t, filter, false)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *fhir.SearchParam) bool { return a == b }), cmp.Comparer(func(a, b fhir.NumberValue) bool {
			return a.Value.Cmp(b.Value) == 0 && a.Low.Cmp(b.Low) == 0 && a.High.Cmp(b.High) == 0
		}), cmp.Comparer(func(a, b fhir.DateValue) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", filter, diff)
		}
	}
}

func TestG7_16_WhatIsWrongWithAFilterIsSaidWithItsPlace(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("(", maxNesting+1)
	for _, tt := range []struct {
		filter string
		code   fhir.IssueCode
		says   []string // of each issue
	}{
		{"", fhir.CodeInvalid, []string{"At the end: Expected the name"}},
		{"status", fhir.CodeInvalid, []string{"At the end: Expected a space and an operator"}},
		{"status is final", fhir.CodeInvalid, []string{"At character 8: Expected an operator: eq, ne"}},
		{"status eq", fhir.CodeInvalid, []string{"At the end: Expected a space and a value"}},
		{"status eq ", fhir.CodeInvalid, []string{"At the end: Expected a value"}},
		{`status eq "final`, fhir.CodeInvalid, []string{"At character 11: The quote is not closed"}},
		{`status eq "ä" and x`, fhir.CodeInvalid, []string{"At the end: Expected a space"}},
		{`value-string eq "ä" und status eq final`, fhir.CodeInvalid, []string{"At character 21: Expected and, or, or the end"}},
		{"(status eq final", fhir.CodeInvalid, []string{`At the end: Expected and, or, or ")"`}},
		{"status eq final)", fhir.CodeInvalid, []string{"At character 16: Expected and, or, or the end"}},
		{"patient[active eq true] pr true", fhir.CodeInvalid, []string{"At character 24: Expected a point"}},
		{"not status eq final", fhir.CodeInvalid, []string{"At character 5: Expected an operator"}},
		{"status sw final", fhir.CodeInvalid, []string{`At character 8: "sw" means nothing on "status", which is of type token. Use eq, ne, ss, sb, in, ni, pr.`}},
		{"subject eq Patient/1", fhir.CodeInvalid, []string{"A reference is compared by re"}},
		{"date ge 2024-1", fhir.CodeInvalid, []string{"At character 9: Not a date"}},
		{"date ge ge2024", fhir.CodeInvalid, []string{"At character 9: Expected a date"}},
		{"status eq a,b", fhir.CodeInvalid, []string{`At character 11: A filter's value is one value`}},
		{"staus eq final or date ge x", fhir.CodeNotSupported, []string{`At character 1: Observation has no search parameter "staus". Did you mean "status"?`, "At character 27: Expected a date"}},
		{"patient.nam eq x", fhir.CodeNotSupported, []string{`At character 9: None of the types that "patient" refers to`}},
		{"status.name eq x", fhir.CodeInvalid, []string{"At character 1: "}},
		{"patient[birthdate sa x].name eq x", fhir.CodeInvalid, []string{"At character 22: Expected a date"}},
		{"_text co x", fhir.CodeNotSupported, []string{"At character 7: Full text"}},
		{"status eq \xff", fhir.CodeInvalid, []string{"not UTF-8"}},
		{deep + "status eq x" + strings.Repeat(")", maxNesting+1), fhir.CodeTooCostly, []string{"At character 11: Filters are nested too deeply"}},
		{strings.Repeat("not(", maxNesting+1), fhir.CodeTooCostly, []string{"nested too deeply"}},
		{strings.Repeat("status eq a or ", maxTests) + "status eq a", fhir.CodeTooCostly, []string{"at most 100 tests"}},
		{strings.Repeat("status eq a and status eq b or ", maxLevels) + "status eq a", fhir.CodeTooCostly, []string{"Conditions are nested too deeply"}},
		{strings.Repeat("patient.", 6) + "name eq x", fhir.CodeNotSupported, []string{"At character 9: None of the types"}},
		{strings.Repeat("a", maxLength+1), fhir.CodeTooCostly, []string{"at most 2048"}},
	} {
		for _, lenient := range []bool{false, true} {
			_, err := condition(t, tt.filter, lenient)
			var e *fhir.Error
			if !errors.As(err, &e) || len(e.Issues) != len(tt.says) || e.Code() != tt.code {
				t.Errorf("%.80q: %v, want %s %q", tt.filter, err, tt.code, tt.says)
				continue
			}
			for i, is := range e.Issues {
				if is.Path != "http._filter" || !strings.Contains(is.Detail, tt.says[i]) {
					t.Errorf("%.80q: %s %s, want %q", tt.filter, is.Path, is.Detail, tt.says[i])
				}
			}
		}
	}
}

func TestG7_16_EachOperatorIsRefusedWhereItMeansNothing(t *testing.T) {
	t.Parallel()
	values := map[string]string{"value-string": "a", "date": "2024", "status": "urn:a|a", "subject": "Patient/1", "value-quantity": "5", "code-value-quantity": "a$5"}
	for name, value := range values {
		known := filterOperatorsOn[lookup(t, "Observation", name).Type]
		for _, op := range filterOperators() {
			own := value
			switch op {
			case "pr":
				own = "true"
			case "in", "ni":
				own = "urn:a"
			}
			_, err := condition(t, name+" "+op+" "+own, false)
			if (err == nil) != slices.Contains(known, op) {
				t.Errorf("%s %s %s: %v", name, op, own, err)
			}
		}
	}
}

// print writes a filter with all its parentheses.
func (f *filter) print() string {
	var parts []string
	for _, part := range f.parts {
		parts = append(parts, "("+part.print()+")")
	}
	switch f.op {
	case filterNot:
		return "not" + parts[0]
	case filterTest:
		var path []string
		for _, s := range f.path {
			if s.where != nil {
				s.name += "[" + s.where.print() + "]"
			}
			path = append(path, s.name)
		}
		quoted, _ := json.Marshal(f.value) // a string
		return fmt.Sprintf("%s %s %s", strings.Join(path, "."), f.compare, quoted)
	}
	return strings.Join(parts, " "+string(f.op)+" ")
}

// same compares filters, places aside.
func (f *filter) same(g *filter) bool {
	if f == nil || g == nil {
		return f == g
	}
	step := func(a, b step) bool { return a.name == b.name && a.where.same(b.where) }
	return f.op == g.op && f.compare == g.compare && f.value == g.value && slices.EqualFunc(f.path, g.path, step) && slices.EqualFunc(f.parts, g.parts, (*filter).same)
}

// FuzzFilter reads anything: what is read is read again from what it is printed as, and a
// problem is somewhere in the text.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		"status eq final", `name co "pet" and not(a.b[c ne 5].d pr true) or x-y ss s|c`, "((a eq b))", `a eq "\"\\\u00e4"`, "not(not (a pr false))", "a[b[c eq d].e eq f].g eq h",
		"a eq b)", "(", `a eq "`, "a.b.c[", "\x00", "a eq \u00a0b", strings.Repeat("(", 50), "a eq b or c eq d and e eq f", "NOT(a EQ b)", "a eq a\u2028and b eq c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, problem := parseFilter(text)
		if problem != nil {
			if problem.at < 0 || problem.at > len(text) || problem.text == "" || place(text, problem.at) == "" {
				t.Fatalf("%q: %+v", text, problem)
			}
			return
		}
		// Printed with all its parentheses it may nest too deeply.
		if again, problem := parseFilter(got.print()); problem != nil && problem.code != fhir.CodeTooCostly || problem == nil && !got.same(again) {
			t.Fatalf("%q is printed as %q, which is %+v, %+v", text, got.print(), again, problem)
		}
		if _, err := condition(t, text, false); err != nil && len(text) < maxLength {
			var e *fhir.Error
			if !errors.As(err, &e) || e.Issues[0].Path != "http._filter" {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}
