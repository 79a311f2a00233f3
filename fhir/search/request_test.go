package search

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
)

const testBase = "https://clinic.example/fhir"

// testParser supports on each type the parameters named.
func testParser(t testing.TB, names ...string) *Parser {
	t.Helper()
	cursors, err := NewCursors(make([]byte, 32), func() time.Time { return time.Unix(1_800_000_000, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return &Parser{
		Base: testBase, DefaultCount: 20, MaxCount: 100, Cursors: cursors,
		Describe: func(typ fhir.Type) fhir.Capability {
			c := fhir.Capability{Search: true, Sortable: []string{"date", "_id"}}
			for _, name := range names {
				if p, ok := Lookup(typ, name); ok {
					c.Params = append(c.Params, p)
				}
			}
			return c
		},
	}
}

func observationParser(t testing.TB) *Parser {
	return testParser(t, "_id", "_lastUpdated", "category", "code", "date", "patient", "performer", "status", "subject", "value-string",
		"value-quantity", "code-value-quantity", "_content")
}

func lookup(t *testing.T, typ fhir.Type, name string) *fhir.SearchParam {
	t.Helper()
	p, ok := Lookup(typ, name)
	if !ok {
		t.Fatalf("no parameter %s on %s", name, typ)
	}
	return p
}

func number(value, low, high string) fhir.NumberValue {
	r := func(s string) *big.Rat {
		n, _ := new(big.Rat).SetString(s)
		return n
	}
	return fhir.NumberValue{Value: r(value), Low: r(low), High: r(high)}
}

func date(t *testing.T, s string) fhir.DateValue {
	t.Helper()
	d, err := fhir.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return fhir.DateValue{Date: d}
}

func TestG7_4_ValuesAreReadByTheTypeOfTheirParameter(t *testing.T) {
	t.Parallel()
	param := func(name string) *fhir.SearchParam { return lookup(t, "Observation", name) }
	term := func(name string, v fhir.Value) fhir.Term { return fhir.Term{Param: param(name), Value: v} }
	tests := []struct {
		name  string
		param Pair
		want  fhir.Expr
	}{
		{"a code in any system", Pair{"code", "4548-4"}, term("code", fhir.TokenValue{Code: "4548-4", AnySystem: true})},
		{"a code in a system", Pair{"code", "http://loinc.org|4548-4"}, term("code", fhir.TokenValue{System: "http://loinc.org", Code: "4548-4"})},
		{"a code without a system", Pair{"code", "|4548-4"}, term("code", fhir.TokenValue{Code: "4548-4"})},
		{"every code of a system", Pair{"code", "http://loinc.org|"}, term("code", fhir.TokenValue{System: "http://loinc.org", AnyCode: true})},
		{"an escaped bar belongs to the code", Pair{"code", `a\|b`}, term("code", fhir.TokenValue{Code: "a|b", AnySystem: true})},
		{"commas are alternatives", Pair{"status", "final,amended"}, fhir.Or{
			term("status", fhir.TokenValue{Code: "final", AnySystem: true}),
			term("status", fhir.TokenValue{Code: "amended", AnySystem: true}),
		}},
		{"an escaped comma is text", Pair{"value-string", `a\,b\\c\d`}, term("value-string", fhir.StringValue(`a,b\c\d`))},
		{"not excludes all alternatives", Pair{"status:not", "final,amended"}, fhir.Not{Expr: fhir.Or{
			term("status", fhir.TokenValue{Code: "final", AnySystem: true}),
			term("status", fhir.TokenValue{Code: "amended", AnySystem: true}),
		}}},
		{"missing", Pair{"code:missing", "true"}, fhir.Term{Param: param("code"), Modifier: fhir.ModMissing, Value: fhir.BoolValue(true)}},
		{"exact text", Pair{"value-string:exact", "A"}, fhir.Term{Param: param("value-string"), Modifier: fhir.ModExact, Value: fhir.StringValue("A")}},
		{"a bare id of a patient parameter is a Patient's", Pair{"patient", "17"}, term("patient", fhir.ReferenceValue{Type: "Patient", ID: "17"})},
		{"a bare id may be of any type", Pair{"subject", "17"}, term("subject", fhir.ReferenceValue{ID: "17"})},
		{"the modifier gives the type", Pair{"subject:Group", "17"}, term("subject", fhir.ReferenceValue{Type: "Group", ID: "17"})},
		{"a relative reference", Pair{"subject", "Patient/17"}, term("subject", fhir.ReferenceValue{Type: "Patient", ID: "17"})},
		{"an absolute reference to here", Pair{"subject", testBase + "/Patient/17"}, term("subject", fhir.ReferenceValue{Type: "Patient", ID: "17"})},
		{"an absolute reference elsewhere", Pair{"subject", "https://else.example/Patient/17"}, term("subject", fhir.ReferenceValue{URL: "https://else.example/Patient/17"})},
		{"a date without a prefix means equal", Pair{"date", "2026-02"}, fhir.Term{Param: param("date"), Prefix: fhir.EQ, Value: date(t, "2026-02")}},
		{"a quantity with its unit", Pair{"value-quantity", "gt5.40|http://unitsofmeasure.org|mg"}, fhir.Term{Param: param("value-quantity"), Prefix: fhir.GT, Value: fhir.QuantityValue{
			NumberValue: number("5.40", "5.395", "5.405"), System: "http://unitsofmeasure.org", Code: "mg",
		}}},
		{"a quantity of an exponent", Pair{"value-quantity", "1e2"}, fhir.Term{Param: param("value-quantity"), Prefix: fhir.EQ, Value: fhir.QuantityValue{NumberValue: number("100", "95", "105")}}},
		{"a composite", Pair{"code-value-quantity", "http://loinc.org|1$lt2"}, term("code-value-quantity", fhir.CompositeValue{
			{Param: param("code"), Value: fhir.TokenValue{System: "http://loinc.org", Code: "1"}},
			{Param: param("value-quantity"), Prefix: fhir.LT, Value: fhir.QuantityValue{NumberValue: number("2", "1.5", "2.5")}},
		})},
		{"the text of a code", Pair{"code:text", "hea"}, fhir.Term{Param: param("code"), Modifier: fhir.ModText, Value: fhir.StringValue("hea")}},
		{"the identifier of a reference", Pair{"subject:identifier", "s|1"}, fhir.Term{Param: param("subject"), Modifier: fhir.ModIdentifier, Value: fhir.TokenValue{System: "s", Code: "1"}}},
		{"a chain", Pair{"patient._id", "17"}, fhir.Chain{Param: param("patient"), Target: "Patient", Where: fhir.Term{
			Param: lookup(t, "Patient", "_id"), Value: fhir.TokenValue{Code: "17", AnySystem: true},
		}}},
		{"a chain to each type that has the parameter", Pair{"performer.status", "active"}, fhir.Chain{Param: param("performer"), Target: "CareTeam", Where: fhir.Term{
			Param: lookup(t, "CareTeam", "status"), Value: fhir.TokenValue{Code: "active", AnySystem: true},
		}}},
		{"a prefix before a date", Pair{"date", "ge2026-02-01T10:00:00+01:00"}, fhir.Term{Param: param("date"), Prefix: fhir.GE, Value: date(t, "2026-02-01T10:00:00+01:00")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req, err := observationParser(t).Parse("Observation", []Pair{tt.param}, false, "")
			if err != nil {
				t.Fatal(err)
			}
			same := cmp.Comparer(func(a, b *fhir.SearchParam) bool { return a == b })
			sameDate := cmp.Comparer(func(a, b fhir.DateValue) bool { return a == b || sameRange(a, b) })
			sameNumber := cmp.Comparer(func(a, b *big.Rat) bool { return a == b || a.Cmp(b) == 0 })
			if diff := cmp.Diff(tt.want, req.Query.Where, same, sameDate, sameNumber); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]Pair{tt.param}, req.Used); diff != "" {
				t.Errorf("used parameters (-want +got):\n%s", diff)
			}
		})
	}
}

func sameRange(a, b fhir.DateValue) bool {
	al, ah := a.Range(time.UTC)
	bl, bh := b.Range(time.UTC)
	return al.Equal(bl) && ah.Equal(bh) && a.Precision == b.Precision && a.HasZone == b.HasZone
}

func TestG7_3_WhatIsNotUnderstoodIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		param Pair
		code  fhir.IssueCode
		hint  string
	}{
		{"a misspelt parameter", Pair{"categry", "x"}, fhir.CodeNotSupported, `Did you mean "category"?`},
		{"an R4 parameter not supported here", Pair{"method", "1"}, fhir.CodeNotSupported, "not supported here"},
		{"a chain to what no target has", Pair{"patient.name", "x"}, fhir.CodeNotSupported, "None of the types"},
		{"a typed chain to what the type has not", Pair{"subject:Patient.name", "x"}, fhir.CodeNotSupported, `by "name" is not supported here`},
		{"a chain behind a code", Pair{"code.name", "x"}, fhir.CodeInvalid, "not a reference"},
		{"a chain to a type it never refers to", Pair{"subject:Medication.code", "x"}, fhir.CodeInvalid, "never refers to a Medication"},
		{"a chain to no type", Pair{"subject:Patint.name", "x"}, fhir.CodeInvalid, "no resource type"},
		{"a chain without an end", Pair{"patient" + strings.Repeat("._has:Observation:patient:patient", 3) + "._id", "x"}, fhir.CodeTooCostly, "more than 4"},
		{"a reverse chain by what never refers here", Pair{"_has:Observation:patient:code", "x"}, fhir.CodeInvalid, "never refers"},
		{"a reverse chain cut short", Pair{"_has:Observation:patient", "x"}, fhir.CodeInvalid, "_has:Type"},
		{"a reverse chain from no type", Pair{"_has:Observatin:patient:code", "x"}, fhir.CodeInvalid, "no resource type"},
		{"an include of what is no reference", Pair{"_include", "Observation:code"}, fhir.CodeInvalid, "not a reference"},
		{"an include of another target", Pair{"_include", "Observation:patient:Medication"}, fhir.CodeInvalid, "never refers to a Medication"},
		{"an include of several", Pair{"_include", "Observation:subject,Observation:patient"}, fhir.CodeInvalid, "once for each"},
		{"an include without a reference", Pair{"_include", "Observation:"}, fhir.CodeInvalid, "Type:reference"},
		{"an include with another modifier", Pair{"_include:all", "Observation:subject"}, fhir.CodeNotSupported, ":iterate"},
		{"the order of before R4", Pair{"_sort:desc", "date"}, fhir.CodeNotSupported, "_sort=-date"},
		{"an empty order", Pair{"_sort", ""}, fhir.CodeInvalid, "_sort=-date"},
		{"a result parameter with a modifier", Pair{"_count:max", "5"}, fhir.CodeNotSupported, "no modifier"},
		{"a result parameter behind a chain", Pair{"patient:Patient._count", "5"}, fhir.CodeNotSupported, "no part of a chain"},
		{"a reverse chain of nothing", Pair{"_has", "1"}, fhir.CodeNotSupported, "_has:Type"},
		{"elements without a name", Pair{"_elements", ""}, fhir.CodeInvalid, "empty"},
		{"contained resources", Pair{"_contained", "true"}, fhir.CodeNotSupported, "but for false"},
		{"a parameter without a name", Pair{"", "x"}, fhir.CodeInvalid, "no name"},
		{"an include without a type", Pair{"_include", "subject"}, fhir.CodeInvalid, "Type:reference"},
		{"a reverse include of everything", Pair{"_revinclude", "*"}, fhir.CodeTooCostly, "Name a type"},
		{"a number that is none", Pair{"value-quantity", "1.5.2"}, fhir.CodeInvalid, "Not a quantity"},
		{"a quantity with half a unit", Pair{"value-quantity", "5|mg"}, fhir.CodeInvalid, "number|system|code"},
		{"a composite with a part too few", Pair{"code-value-quantity", "a"}, fhir.CodeInvalid, "separated by $"},
		{"a type of identifier cut short", Pair{"code:of-type", "a|b"}, fhir.CodeInvalid, "system|code|value"},
		{"an unknown modifier", Pair{"code:foo", "x"}, fhir.CodeNotSupported, ":foo"},
		{"a modifier of another type", Pair{"date:exact", "2026"}, fhir.CodeNotSupported, ":exact"},
		{"a colon without a modifier", Pair{"code:", "x"}, fhir.CodeInvalid, "no modifier"},
		{"a type the reference never has", Pair{"performer:Medication", "1"}, fhir.CodeInvalid, "never refers"},
		{"another type than the parameter's", Pair{"patient", "Group/1"}, fhir.CodeInvalid, "not to a Group"},
		{"a bad date", Pair{"date", "2026-02-30"}, fhir.CodeInvalid, "Not a date"},
		{"an unencoded plus", Pair{"date", "2026-02-01T10:00:00 01:00"}, fhir.CodeInvalid, "%2B"},
		{"an unknown prefix", Pair{"date", "xx2026"}, fhir.CodeInvalid, "prefix"},
		{"an empty value", Pair{"code", ""}, fhir.CodeInvalid, ":missing"},
		{"an empty alternative", Pair{"code", "a,,b"}, fhir.CodeInvalid, "empty"},
		{"a token of three parts", Pair{"code", "a|b|c"}, fhir.CodeInvalid, "escaped"},
		{"an empty token", Pair{"code", "|"}, fhir.CodeInvalid, "neither"},
		{"a reference that is none", Pair{"subject", "no such thing"}, fhir.CodeInvalid, "reference"},
		{"missing with another value", Pair{"code:missing", "1"}, fhir.CodeInvalid, "true or false"},
		{"a negative count", Pair{"_count", "-1"}, fhir.CodeInvalid, "_count"},
		{"a total of another word", Pair{"_total", "yes"}, fhir.CodeInvalid, "_total"},
		{"a sort by what is not sortable", Pair{"_sort", "code"}, fhir.CodeNotSupported, "Sortable: date, _id"},
		{"a sort by what does not exist", Pair{"_sort", "dat"}, fhir.CodeNotSupported, `"date"`},
		{"NUL", Pair{"code", "a\x00b"}, fhir.CodeInvalid, "NUL"},
		{"a very long value", Pair{"code", strings.Repeat("x", 10_000)}, fhir.CodeTooCostly, "10000 bytes"},
		{"a very long value in a list", Pair{"code", "a," + strings.Repeat("x", 10_000) + ",b"}, fhir.CodeTooCostly, "10000 bytes"},
		{"an endless list", Pair{"code", strings.Repeat(strings.Repeat("x", 500)+",", 500)}, fhir.CodeTooCostly, "together"},
		{"a very long list", Pair{"code", strings.Repeat("x,", 1001)}, fhir.CodeTooCostly, "1000"},
		{"a forged cursor", Pair{"_cursor", "AAAA"}, fhir.CodeInvalid, "first page"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := observationParser(t).Parse("Observation", []Pair{tt.param}, false, "")
			var fe *fhir.Error
			if !errors.As(err, &fe) {
				t.Fatalf("error = %v, want a *fhir.Error", err)
			}
			if fe.Code() != tt.code || !strings.Contains(fe.Error(), tt.hint) {
				t.Errorf("error = %s %q, want %s with %q", fe.Code(), fe.Error(), tt.code, tt.hint)
			}
		})
	}
}

func TestG7_3_LenientIgnoresTheUnknownButNeverABadValue(t *testing.T) {
	t.Parallel()
	p := observationParser(t)
	req, err := p.Parse("Observation", []Pair{{"colour", "red"}, {"status", "final"}}, true, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Pair{{"status", "final"}}, req.Used); diff != "" {
		t.Errorf("self link (-want +got):\n%s", diff)
	}
	if len(req.Ignored) != 1 || req.Ignored[0].Path != "http.colour" || req.Ignored[0].Severity != fhir.SeverityWarning {
		t.Errorf("ignored = %+v, want one warning about colour", req.Ignored)
	}
	if _, err := p.Parse("Observation", []Pair{{"date", "soon"}}, true, ""); err == nil {
		t.Error("a bad date was accepted under lenient handling")
	}
}

func TestG7_12_IncludesAreRead(t *testing.T) {
	t.Parallel()
	subject := lookup(t, "Observation", "subject")
	tests := map[Pair]fhir.Include{
		{"_include", "Observation:subject"}:         {Source: "Observation", Param: subject},
		{"_include", "Observation:subject:Patient"}: {Source: "Observation", Param: subject, Target: "Patient"},
		{"_include:iterate", "Observation:subject"}: {Source: "Observation", Param: subject, Iterate: true},
		{"_include:recurse", "Observation:subject"}: {Source: "Observation", Param: subject, Iterate: true},
		{"_include", "*"}:                           {},
		{"_include", "Observation:*"}:               {Source: "Observation"},
		{"_revinclude", "Observation:subject"}:      {Source: "Observation", Param: subject, Reverse: true},
	}
	for p, want := range tests {
		req, err := observationParser(t).Parse("Observation", []Pair{p}, false, "")
		if err != nil {
			t.Errorf("%v: %v", p, err)
			continue
		}
		if len(req.Query.Include) != 1 || req.Query.Include[0] != want {
			t.Errorf("%v: include = %+v, want %+v", p, req.Query.Include, want)
		}
	}
}

func TestG7_11_AnUntypedChainGoesOnWhereItCan(t *testing.T) {
	t.Parallel()
	// A Device's organization shall be an Endpoint here, which is never active.
	p := testParser(t, "_id", "subject", "organization", "active")
	describe := p.Describe
	p.Describe = func(typ fhir.Type) fhir.Capability {
		c := describe(typ)
		if typ == "Device" {
			c.Params = []*fhir.SearchParam{{Name: "organization", Type: fhir.ParamReference, Targets: []fhir.Type{"Endpoint"}}}
		}
		return c
	}
	req, err := p.Parse("Observation", []Pair{{"subject.organization.active", "true"}}, false, "")
	if err != nil {
		t.Fatal(err)
	}
	var targets []fhir.Type
	for _, e := range req.Query.Where.(fhir.Or) {
		targets = append(targets, e.(fhir.Chain).Target)
	}
	if diff := cmp.Diff([]fhir.Type{"Location", "Patient"}, targets); diff != "" {
		t.Errorf("types that the chain goes through (-want +got):\n%s", diff)
	}
	if _, err := p.Parse("Observation", []Pair{{"subject.organization.colour", "x"}}, false, ""); err == nil {
		t.Error("a chain to what no type has was accepted")
	}
}

func TestG7_11_ReverseChainsAreRead(t *testing.T) {
	t.Parallel()
	req, err := observationParser(t).Parse("Patient", []Pair{{"_has:Observation:patient:_has:Observation:subject:status", "x"}}, false, "")
	if err == nil {
		t.Errorf("a reverse chain by which nothing refers to an Observation = %+v", req.Query.Where)
	}
	req, err = observationParser(t).Parse("Patient", []Pair{{"_has:Observation:patient:subject:Patient._id", "x"}}, false, "")
	if err != nil {
		t.Fatal(err)
	}
	has, ok := req.Query.Where.(fhir.Has)
	if !ok || has.Source != "Observation" || has.Param != lookup(t, "Observation", "patient") {
		t.Fatalf("query = %+v", req.Query.Where)
	}
	if c, ok := has.Where.(fhir.Chain); !ok || c.Target != "Patient" || c.Param != lookup(t, "Observation", "subject") {
		t.Errorf("condition = %+v, want the chain to the subject", has.Where)
	}
}

func TestG7_14_CountIsCappedAndZeroAsksForTheTotal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		params []Pair
		count  int
		total  bool
	}{
		{nil, 20, false},
		{[]Pair{{"_count", "5"}}, 5, false},
		{[]Pair{{"_count", "100000"}}, 100, false},
		{[]Pair{{"_count", "0"}}, 0, true},
		{[]Pair{{"_summary", "count"}, {"_count", "5"}}, 0, true},
		{[]Pair{{"_total", "accurate"}}, 20, true},
		{[]Pair{{"_total", "none"}}, 20, false},
	}
	for _, tt := range tests {
		req, err := observationParser(t).Parse("Observation", tt.params, false, "")
		if err != nil {
			t.Fatalf("%v: %v", tt.params, err)
		}
		if req.Query.Count != tt.count || req.Query.Total != tt.total {
			t.Errorf("%v: count %d total %v, want %d %v", tt.params, req.Query.Count, req.Query.Total, tt.count, tt.total)
		}
	}
}

func TestG7_2_CursorIsBoundToQueryAndCallerAndExpires(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	p := observationParser(t)
	p.Cursors.now = func() time.Time { return now }
	query := []Pair{{"status", "final"}, {"_count", "2"}}
	first, err := p.Parse("Observation", query, false, "amy")
	if err != nil {
		t.Fatal(err)
	}
	next := first.NextPairs("position\x00\xff")
	second, err := p.Parse("Observation", next, false, "amy")
	if err != nil {
		t.Fatal(err)
	}
	if second.Query.Cursor != "position\x00\xff" {
		t.Errorf("position = %q", second.Query.Cursor)
	}
	if third := second.NextPairs("p2"); len(third) != len(next) {
		t.Errorf("the next link of page 2 has %d parameters, want %d", len(third), len(next))
	}
	token := next[len(next)-1]
	larger := []Pair{{"status", "final"}, {"_count", "50"}, token}
	if _, err := p.Parse("Observation", larger, false, "amy"); err != nil {
		t.Errorf("another page size: %v", err)
	}
	refused := map[string]struct {
		typ    fhir.Type
		params []Pair
		caller string
	}{
		"another caller":     {"Observation", next, "tom"},
		"another value":      {"Observation", []Pair{{"status", "amended"}, token}, "amy"},
		"another type":       {"Condition", []Pair{token}, "amy"},
		"a parameter less":   {"Observation", []Pair{token}, "amy"},
		"a changed token":    {"Observation", []Pair{{"status", "final"}, {"_cursor", "A" + token.Value[1:]}}, "amy"},
		"not even base64":    {"Observation", []Pair{{"status", "final"}, {"_cursor", "*"}}, "amy"},
		"a truncated cursor": {"Observation", []Pair{{"status", "final"}, {"_cursor", token.Value[:8]}}, "amy"},
	}
	for name, r := range refused {
		if _, err := p.Parse(r.typ, r.params, false, r.caller); err == nil {
			t.Errorf("a cursor with %s was accepted", name)
		}
	}
	now = now.Add(cursorLife)
	if _, err := p.Parse("Observation", next, false, "amy"); err == nil {
		t.Error("an expired cursor was accepted")
	}
}

func TestG7_17_TheRegistryHoldsR4sParameters(t *testing.T) {
	t.Parallel()
	for typ, n := range map[fhir.Type]int{"Patient": 24, "Observation": 43, "MedicationRequest": 16, "Appointment": 17, "Communication": 15} {
		own := 0
		for _, p := range Params(typ) {
			if !strings.HasPrefix(p.Name, "_") {
				own++
			}
		}
		if own != n {
			t.Errorf("%s has %d parameters of its own, want %d", typ, own, n)
		}
	}
	for _, typ := range fhir.Types() {
		for _, name := range []string{"_id", "_lastUpdated", "_tag"} {
			if _, ok := Lookup(typ, name); !ok {
				t.Errorf("%s has no %s", typ, name)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("code", "http://loinc.org|1,2\\,3")
	f.Add("date", "ge2026-01-01T00:00:00.123+14:00")
	f.Add("subject:Patient", "https://clinic.example/fhir/Patient/1/_history/2")
	f.Add("_sort", "-date,_id")
	f.Add("_content", "(bone OR \"liver pain\") AND meta* NOT x")
	f.Add("code:in", "ValueSet/1")
	f.Add("code:below", "http://loinc.org|1")
	f.Add("_cursor", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	p := observationParser(f)
	f.Fuzz(func(t *testing.T, name, value string) {
		req, err := p.Parse("Observation", []Pair{{name, value}}, false, "")
		var fe *fhir.Error
		if (err == nil) == (req == nil) || (err != nil && !errors.As(err, &fe)) {
			t.Fatalf("Parse = %v, %v", req, err)
		}
		if req == nil {
			return
		}
		again, err := p.Parse("Observation", req.Used, false, "")
		if err != nil {
			t.Fatalf("the self link of %q=%q is refused: %v", name, value, err)
		}
		if diff := cmp.Diff(req.Used, again.Used); diff != "" {
			t.Errorf("the self link changes (-first +second):\n%s", diff)
		}
	})
}
