package subset_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/subset"
)

const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

func shape(t testing.TB, mode subset.Mode, elements string, types ...fhir.Type) *subset.Shape {
	t.Helper()
	var names []string
	if elements != "" {
		names = strings.Split(elements, ",")
	}
	s, err := subset.New(mode, names, types...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAppend(t *testing.T) {
	t.Parallel()
	const tagged = `"meta":{"versionId":"1","tag":[` + subsetted + `]}`
	patient := `{"resourceType":"Patient","id":"1","meta":{"versionId":"1"},"text":{"status":"empty","div":"<div/>"},` +
		`"contained":[{"resourceType":"Organization","id":"o"}],"extension":[{"url":"u","valueString":"x"}],` +
		`"modifierExtension":[{"url":"m","valueString":"x"}],"name":[ {"id":"n","family" : "Sm\u0069th","_family":{"extension":[]},"extension":[{"url":"u"}]},` +
		`{"extension":[{"url":"absent"}]}],"birthDate":"1970","_birthDate":{"extension":[{"url":"b"}]},` +
		`"contact":[{"name":{"family":"A"}}],"maritalStatus":{"text":"M"},"link":[{"other":{"reference":"Patient/2"},"type":"seealso","id":"l"}]}`
	observation := `{"resourceType":"Observation","id":"1","meta":{"versionId":"1"},"status":"final","category":[{"text":"c"}],"code":{"text":"x","extension":[]},` +
		`"valueQuantity":{"value":1.50,"extension":[]},"note":[{"text":"n"}],"component":[{"code":{"text":"s"},"interpretation":[],"valueQuantity":{"id":"i","value":2.0}}]}`
	for _, tt := range []struct {
		claim    string
		mode     subset.Mode
		elements string
		typ      fhir.Type
		in, want string
	}{
		{"G7.15 nothing asked for changes nothing", "", "", "Patient", patient, patient},
		{
			"G7.15 _summary=true keeps the summary elements, nested ones included", subset.Summary, "", "Patient", patient,
			`{"resourceType":"Patient","id":"1",` + tagged + `,"modifierExtension":[{"url":"m","valueString":"x"}],` +
				`"name":[{"family" : "Sm\u0069th","_family":{"extension":[]}},{"extension":[{"url":"absent"}]}],` +
				`"birthDate":"1970","_birthDate":{"extension":[{"url":"b"}]},"link":[{"other":{"reference":"Patient/2"},"type":"seealso"}]}`,
		},
		{
			"G7.15 _summary=true cuts backbone elements and the types of choices, decimals stay", subset.Summary, "", "Observation", observation,
			`{"resourceType":"Observation","id":"1",` + tagged + `,"status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50},` +
				`"component":[{"code":{"text":"s"},"valueQuantity":{"value":2.0}}]}`,
		},
		{
			"G7.15 _summary=text keeps text, id, meta and what is mandatory", subset.Text, "", "Observation",
			`{"resourceType":"Observation","id":"1","meta":{"versionId":"1"},"text":{"status":"empty"},"status":"final","code":{"text":"x","id":"c"},"issued":"2020"}`,
			`{"resourceType":"Observation","id":"1",` + tagged + `,"text":{"status":"empty"},"status":"final","code":{"text":"x","id":"c"}}`,
		},
		{
			"G7.15 _summary=data drops the text only", subset.Data, "", "Patient",
			`{"resourceType":"Patient","id":"1","meta":{"versionId":"1"},"text":{"status":"empty"},"extension":[{"url":"u"}],"contact":[{"id":"c"}]}`,
			`{"resourceType":"Patient","id":"1",` + tagged + `,"extension":[{"url":"u"}],"contact":[{"id":"c"}]}`,
		},
		{
			"G7.15 _elements keeps what is named, whole, and what is mandatory", "", "component,value", "Observation", observation,
			`{"resourceType":"Observation","id":"1",` + tagged + `,"status":"final","code":{"text":"x","extension":[]},"valueQuantity":{"value":1.50,"extension":[]},` +
				`"component":[{"code":{"text":"s"},"interpretation":[],"valueQuantity":{"id":"i","value":2.0}}]}`,
		},
		{
			"G7.15 _elements with a type counts for that type", "", "Patient.birthDate,Observation.note", "Patient", patient,
			`{"resourceType":"Patient","id":"1",` + tagged + `,"modifierExtension":[{"url":"m","valueString":"x"}],"birthDate":"1970","_birthDate":{"extension":[{"url":"b"}]}}`,
		},
		{
			"G7.15 a missing meta is made", "", "name", "Patient", ` {"id":"1", "resourceType" : "Patient" ,"active":true}`,
			`{"id":"1","resourceType" : "Patient","meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"G7.15 other tags stay", "", "name", "Patient", `{"resourceType":"Patient","meta":{"tag":[{"code":"a"}],"versionId":"1"}}`,
			`{"resourceType":"Patient","meta":{"tag":[{"code":"a"},` + subsetted + `],"versionId":"1"}}`,
		},
		{
			"G7.15 the tag is not doubled", "", "name", "Patient", `{"resourceType":"Patient","meta":{"tag":[` + subsetted + `]}}`,
			`{"resourceType":"Patient","meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"G7.15 an escaped name is the same name", "", "name", "Patient", `{"resourceType":"Patient","\u0061ctive":true,"n\u0061me":[]}`,
			`{"resourceType":"Patient","meta":{"tag":[` + subsetted + `]},"n\u0061me":[]}`,
		},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			got, err := shape(t, tt.mode, tt.elements, "Patient", "Observation").Append([]byte("x"), tt.typ, []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("x"+tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		claim    string
		mode     subset.Mode
		elements []string
		detail   string
	}{
		{"G7.15 _elements together with _summary", subset.Summary, []string{"name"}, "exclude each other"},
		{"G7.15 a misspelt element, naming the nearest", "", []string{"brithDate"}, `"birthDate"`},
		{"G7.15 a nested element", "", []string{"name.family"}, "no resource type"},
		{"G7.15 an element that its type has not", "", []string{"Observation.birthDate"}, "Observation has no element"},
		{"G7.15 a variant of a choice", "", []string{"deceasedBoolean"}, "deceased"},
		{"G7.15 nothing", "", []string{""}, "no element"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			_, err := subset.New(tt.mode, tt.elements, "Patient")
			var refusal *fhir.Error
			if !errors.As(err, &refusal) || refusal.Code() != fhir.CodeInvalid || !strings.Contains(refusal.Error(), tt.detail) {
				t.Errorf("got %v, want %q", err, tt.detail)
			}
		})
	}
}

func TestTableIsComplete(t *testing.T) {
	t.Parallel()
	for _, typ := range fhir.Types() {
		if _, err := subset.New("", []string{"id", string(typ) + ".meta"}, typ); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

// TestExamples cuts the specification's examples: what is left must be a valid
// resource still.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("../../.cache/r4-examples/package/*.json")
	if len(files) == 0 {
		t.Skip("the examples are not there: make setup")
	}
	v := &schema.Validator{}
	seen := map[fhir.Type]int{}
	for _, file := range files {
		name, _, _ := strings.Cut(filepath.Base(file), "-")
		typ := fhir.Type(name)
		if seen[typ]++; !typ.Valid() || seen[typ] > 8 {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Validate(body, typ); err != nil {
			continue // an example that is wrong itself
		}
		for _, s := range []*subset.Shape{shape(t, subset.Summary, ""), shape(t, subset.Text, ""), shape(t, subset.Data, ""), shape(t, "", "id", typ)} {
			got, err := s.Append(nil, typ, body)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if _, err := v.Validate(got, typ); err != nil {
				t.Errorf("%s: %v\n%.600s", file, err, got)
			}
		}
	}
}

func FuzzAppend(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Patient","id":"1","name":[{"family":"x"}],"meta":{"tag":[{}]}}`))
	f.Add([]byte(`{"resourceType":"Observation","valueQuantity":{"value":1.0},"component":[{"code":{}},null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, s := range []*subset.Shape{shape(t, subset.Summary, ""), shape(t, "", "name,value", "Patient", "Observation")} {
			for _, typ := range []fhir.Type{"Patient", "Observation"} {
				got, err := s.Append(nil, typ, body)
				var members map[string]any
				if json.Unmarshal(body, &members) != nil {
					continue // must not panic, no more
				}
				if _, ok := members["resourceType"]; ok && err != nil && len(members) > 0 {
					t.Fatalf("%v for %s", err, body)
				}
				if err == nil && !json.Valid(got) {
					t.Fatalf("%s\nfrom %s", got, body)
				}
			}
		}
	})
}

func BenchmarkSummary(b *testing.B) {
	body := []byte(`{"resourceType":"Observation","id":"1","meta":{"versionId":"1","lastUpdated":"2020-01-01T00:00:00Z"},"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8302-2","display":"Body Height"}],"text":"Body Height"},"subject":{"reference":"Patient/1"},"encounter":{"reference":"Encounter/1"},"effectiveDateTime":"2012-03-05T10:00:00+01:00","issued":"2012-03-05T10:00:00.000+01:00","valueQuantity":{"value":165.5,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}`)
	s := shape(b, subset.Summary, "")
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = s.Append(dst[:0], "Observation", body)
	}
}
