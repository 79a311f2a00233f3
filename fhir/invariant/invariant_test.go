package invariant

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
)

// keys gives each broken constraint with its place.
func keys(t *testing.T, body string, warnings bool) []string {
	t.Helper()
	issues, err := Check([]byte(body), warnings)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, is := range issues {
		if is.Code != fhir.CodeInvariant {
			t.Errorf("code = %s, want invariant", is.Code)
		}
		key, _, _ := strings.Cut(is.Detail, ":")
		out = append(out, key+" "+is.Path)
	}
	return out
}

func TestG2_3_ConstraintsOfTheBaseSpecification(t *testing.T) {
	t.Parallel()
	const code = `"code": {"coding": [{"system": "s", "code": "c"}]}`
	tests := []struct {
		name, body string
		want       []string
	}{
		{"a good Observation", `{"resourceType": "Observation", "status": "final", ` + code + `, "valueQuantity": {"value": 1, "system": "s", "code": "kg"}}`, nil},
		{
			"a value and a reason for its absence",
			`{"resourceType": "Observation", "status": "final", ` + code + `, "valueBoolean": true, "dataAbsentReason": {"text": "x"}}`,
			[]string{"obs-6 Observation"},
		},
		{
			"a component with the code of the whole, and a value",
			`{"resourceType": "Observation", "status": "final", ` + code + `, "valueBoolean": true, "component": [{` + code + `}]}`,
			[]string{"obs-7 Observation"},
		},
		{
			"a backbone element without what it needs",
			`{"resourceType": "Observation", "status": "final", ` + code + `, "referenceRange": [{"text": "x"}, {"appliesTo": [{"text": "y"}]}]}`,
			[]string{"obs-3 Observation.referenceRange[1]"},
		},
		{
			"a data type inside an extension",
			`{"resourceType": "Basic", "code": {"text": "x"}, "extension": [{"url": "u", "valuePeriod": {"start": "2026-02-01", "end": "2026-01-01"}}]}`,
			[]string{"per-1 Basic.extension[0].value"},
		},
		{
			"dates of different precision leave it open",
			`{"resourceType": "Basic", "code": {"text": "x"}, "extension": [{"url": "u", "valuePeriod": {"start": "2026-02-01", "end": "2026-02"}}]}`,
			nil,
		},
		{
			"a constraint on an element of a data type",
			`{"resourceType": "Organization", "name": "n", "telecom": [{"system": "phone", "value": "1", "use": "home"}, {"value": "2"}]}`,
			[]string{"org-3 Organization.telecom[0]", "cpt-2 Organization.telecom[1]"},
		},
		{
			"a contained resource that nothing refers to",
			`{"resourceType": "Patient", "contained": [{"resourceType": "Organization", "id": "o", "name": "n"}]}`,
			[]string{"dom-3 Patient"},
		},
		{
			"a contained resource that is referred to, and refers back",
			`{"resourceType": "Patient", "contained": [{"resourceType": "Organization", "id": "o", "name": "n"}, {"resourceType": "Provenance", "id": "p", "target": [{"reference": "#"}], "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"reference": "#o"}}]}], "managingOrganization": {"reference": "#o"}}`,
			nil,
		},
		{
			"the constraints of what a Bundle holds",
			`{"resourceType": "Bundle", "type": "collection", "total": 1, "entry": [{"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Organization"}}]}`,
			[]string{"bdl-1 Bundle", "org-1 Bundle.entry[0].resource"},
		},
		{
			"a questionnaire's items at any depth",
			`{"resourceType": "Questionnaire", "status": "draft", "item": [{"linkId": "1", "type": "group", "item": [{"linkId": "1", "type": "display", "required": true}]}]}`,
			[]string{"que-2 Questionnaire", "que-6 Questionnaire.item[0].item[0]"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, keys(t, tt.body, false)); diff != "" {
				t.Errorf("broken constraints (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWarningsAreLeftOutUnlessAskedFor(t *testing.T) {
	t.Parallel()
	const body = `{"resourceType": "Patient"}`
	if got := keys(t, body, false); len(got) > 0 {
		t.Errorf("broken = %v, want none", got)
	}
	if diff := cmp.Diff([]string{"dom-6 Patient"}, keys(t, body, true)); diff != "" {
		t.Errorf("with warnings (-want +got):\n%s", diff)
	}
}

func TestShapeComesBeforeConstraints(t *testing.T) {
	t.Parallel()
	v := &Validator{Schema: &schema.Validator{}}
	var fe *fhir.Error
	_, err := v.Validate([]byte(`{"resourceType": "Organization", "nam": "x"}`), "")
	if !errors.As(err, &fe) || fe.Code() != fhir.CodeStructure || len(fe.Issues) != 1 {
		t.Errorf("error = %v, want the unknown element only", err)
	}
	_, err = v.Validate([]byte(`{"resourceType": "Organization"}`), "Organization")
	if !errors.As(err, &fe) || fe.Code() != fhir.CodeInvariant {
		t.Errorf("error = %v, want org-1", err)
	}
	info, err := v.Validate([]byte(`{"resourceType": "Organization", "id": "o", "name": "n"}`), "Organization")
	if err != nil || info.ID != "o" {
		t.Errorf("a good resource: %+v, %v", info, err)
	}
}

// brokenExamples are official examples that break a constraint, and which.
var brokenExamples = map[string]string{
	"Bundle-dataelements.json":            "bdl-7",
	"StructureDefinition-Definition.json": "sdf-4",
	"StructureDefinition-Event.json":      "sdf-4",
	"StructureDefinition-FiveWs.json":     "sdf-4",
	"StructureDefinition-Request.json":    "sdf-4",
}

func TestTheOfficialExamplesHold(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../.cache/r4-examples/package/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("the official examples are missing: run make setup")
	}
	checked := 0
	for i, file := range files {
		name := filepath.Base(file)
		typ, _, _ := strings.Cut(name, "-")
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// The definitions are most of the bytes and much alike: some of them are enough here.
		definition := len(body) > 30_000 && i%20 != 0
		if !fhir.Type(typ).Valid() || (definition && brokenExamples[name] == "") {
			continue
		}
		checked++
		var got string
		issues, err := Check(body, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(issues) > 0 {
			got, _, _ = strings.Cut(issues[0].Detail, ":")
		}
		if got != brokenExamples[name] {
			t.Errorf("%s breaks %q, want %q: %+v", name, got, brokenExamples[name], issues)
		}
	}
	if checked < 4000 {
		t.Errorf("only %d examples were checked", checked)
	}
}

func BenchmarkCheck(b *testing.B) {
	body := []byte(`{"resourceType": "Observation", "id": "o", "status": "final", "category": [{"coding": [{"system": "s", "code": "vital-signs"}]}],
		"code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}, "subject": {"reference": "Patient/p"}, "encounter": {"reference": "Encounter/e"},
		"effectiveDateTime": "2026-01-01T00:00:00Z", "valueQuantity": {"value": 70.1, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if issues, err := Check(body, false); err != nil || len(issues) > 0 {
			b.Fatal(issues, err)
		}
	}
}
