package index

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatFollowsFromOtherEntriesIsLeftOut(t *testing.T) {
	t.Parallel()
	observation := Of("Observation")
	for name, want := range map[string][]string{
		"combo-code":           {"code", "component-code"},
		"combo-value-quantity": {"component-value-quantity", "value-quantity"},
		"combo-value-concept":  {"component-value-concept", "value-concept"},
		"code":                 nil,
	} {
		var got []string
		for _, q := range observation.byName[name].union {
			got = append(got, q.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if p := observation.byName["patient"]; p.within == nil || p.within.Name != "subject" {
		t.Errorf("patient has entries of its own: %+v", p.derived)
	}
	if p := Of("Immunization").byName["patient"]; p.within != nil {
		t.Errorf("patient of Immunization, which has no subject, has none: %+v", p.derived)
	}
	if p := Of("Patient").byName["gender"]; !p.fixed || p.system != "http://hl7.org/fhir/administrative-gender" {
		t.Errorf("gender: %+v", p.derived)
	}
	if p := observation.byName["category"]; p.fixed {
		t.Errorf("category: %+v", p.derived)
	}
	e, err := (&Indexer{NoText: true}).Index("Observation", []byte(`{"resourceType":"Observation","id":"a","status":"final",`+
		`"code":{"coding":[{"system":"s","code":"c"}]},"subject":{"reference":"Patient/p"}}`))
	if err != nil {
		t.Fatal(err)
	}
	code := observation.byName["code"].code
	want := []string{
		"\x01p\x00" + code + "c", code + "c", code + "c\x00" + systemKey("s"),
		observation.byName["status"].code + "final",
		observation.byName["subject"].code + "Patient/p",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, e.Keys); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}
