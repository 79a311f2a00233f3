package operation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
)

// weighed is an Observation of Patient/1 with codings, each written "system|code",
// or with a text alone.
func weighed(id, codes, effective string) string {
	code := `{"text":"` + codes + `"}`
	if strings.Contains(codes, "|") {
		var codings []string
		for c := range strings.SplitSeq(codes, " ") {
			system, code, _ := strings.Cut(c, "|")
			codings = append(codings, fmt.Sprintf(`{"system":"urn:%s","code":%q}`, system, code))
		}
		code = `{"coding":[` + strings.Join(codings, ",") + `]}`
	}
	if effective != "" {
		effective = `,` + effective
	}
	return `{"resourceType":"Observation","id":"` + id + `","status":"final","category":[{"coding":[{"code":"lab"}]}],"code":` + code +
		`,"subject":{"reference":"Patient/1"}` + effective + `}`
}

func at(s string) string { return `"effectiveDateTime":"` + s + `"` }

func TestLastN(t *testing.T) {
	t.Parallel()
	other := `{"resourceType":"Observation","id":"other","status":"final","category":[{"coding":[{"code":"lab"}]}],"code":{"text":"x"},"subject":{"reference":"Patient/2"}}`
	type codes = []string
	abc := codes{weighed("a", "s|a", at("2020-01-01")), weighed("b", "s|b", at("2020-01-02")), weighed("c", "s|c", at("2020-01-03"))}
	for _, tt := range []struct {
		claim, params string
		in            []string
		want          string
	}{
		{"G8.3 the latest of each code, newest first", "", []string{weighed("1", "s|a", at("2020-01-01")), weighed("2", "s|b", at("2019-01-01")), weighed("3", "s|a", at("2020-02-01")), other}, "3 2"},
		{"G8.3 max of each code", "&max=2", []string{weighed("1", "s|a", at("2020-01-01")), weighed("2", "s|a", at("2020-01-03")), weighed("3", "s|a", at("2020-01-02"))}, "2 3"},
		{"G8.3 ties are returned", "&max=2", []string{weighed("1", "s|a", at("2020-01-01")), weighed("2", "s|a", at("2020-01-01")), weighed("3", "s|a", at("2020-01-02")), weighed("4", "s|a", at("2019"))}, "3 1 2"},
		{"G8.3 codes of different systems are different", "", []string{weighed("1", "s|a", at("2020-01-01")), weighed("2", "t|a", at("2020-01-02"))}, "2 1"},
		{"G8.3 three codes are three groups", "", abc, "c b a"},
		{"G8.3 translations are one group", "", append(codes{weighed("ac", "s|a s|c", at("2020-02-01"))}, abc...), "ac b"},
		{"G8.3 groups that a later one connects become one", "", append(abc[:3:3], weighed("ab", "s|a s|b", at("2018-01-01"))), "c b"},
		{"G8.3 texts are compared as they are", "", []string{weighed("1", "textM", at("2020-01-03")), weighed("2", "Text", at("2020-01-02")), weighed("3", "t e x t", at("2020-01-01")), weighed("4", "Text", at("2019"))}, "1 2 3"},
		{"G8.3 a period counts by its end", "", []string{weighed("1", "s|a", `"effectivePeriod":{"start":"2019","end":"2020-03-01"}`), weighed("2", "s|a", at("2020-02-01"))}, "1"},
		{"G8.3 an open period counts by its start", "", []string{weighed("1", "s|a", `"effectivePeriod":{"start":"2019"}`), weighed("2", "s|a", at("2020-02-01"))}, "2"},
		{"G8.3 a zone is part of a time", "", []string{weighed("1", "s|a", at("2020-01-01T23:00:00-05:00")), weighed("2", "s|a", at("2020-01-02T03:00:00Z"))}, "1"},
		{"G8.3 what has no time is oldest", "&max=2", []string{weighed("1", "s|a", ""), weighed("2", "s|a", at("1920")), weighed("3", "s|a", "")}, "2 1 3"},
		{"G8.3 the timing's last event counts", "", []string{weighed("1", "s|a", `"effectiveTiming":{"event":["2021-01-01","2020-01-01"]}`), weighed("2", "s|a", at("2020-06-01"))}, "1"},
		{"G8.3 other parameters restrict", "&date=lt2020", []string{weighed("1", "s|a", at("2020-01-01")), weighed("2", "s|a", at("2019-01-01"))}, "2"},
		{"G8.3 nothing found is an empty answer", "&date=lt1900", abc, ""},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, fill(t, tt.in), fhir.Key{Type: "Observation"}, "lastn", "patient=1&category=lab"+tt.params)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, r := range got.Page.Resources {
				ids = append(ids, r.ID)
			}
			if diff := cmp.Diff(tt.want, strings.Join(ids, " ")); diff != "" {
				t.Error(diff)
			}
			if *got.Page.Total != int64(len(ids)) {
				t.Errorf("total %d", *got.Page.Total)
			}
		})
	}
	o := fill(t, nil)
	for params, code := range map[string]fhir.IssueCode{
		"category=lab":                                  fhir.CodeInvalid,
		"patient=1":                                     fhir.CodeInvalid,
		"patient=1&code=a&max=0":                        fhir.CodeInvalid,
		"patient=1&code=a&max=1&max=2":                  fhir.CodeInvalid,
		"patient=1&code=a&_count=5":                     fhir.CodeNotSupported,
		"patient=1&code=a&_include=Observation:subject": fhir.CodeNotSupported,
		"patient=1&code=a&nonsense=1":                   fhir.CodeNotSupported,
		"patient=1&code=a&_elements=x":                  fhir.CodeInvalid,
	} {
		t.Run("G8.3 refused: "+params, func(t *testing.T) {
			t.Parallel()
			if _, err := run(t, o, fhir.Key{Type: "Observation"}, "lastn", params); codeOf(err) != code {
				t.Errorf("got %v, want %s", err, code)
			}
		})
	}
	t.Run("G8.3 too many that tie are refused", func(t *testing.T) {
		t.Parallel()
		var many []string
		for i := range 1001 {
			many = append(many, weighed(fmt.Sprint(i), "s|a", ""))
		}
		if _, err := run(t, fill(t, many), fhir.Key{Type: "Observation"}, "lastn", "patient=1&category=lab"); codeOf(err) != fhir.CodeTooCostly {
			t.Errorf("got %v", err)
		}
	})
}
