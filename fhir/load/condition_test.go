package load_test

import (
	"context"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/load"
)

const (
	referring = `{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},
		"participant":[{"individual":{"reference":"Practitioner?identifier=http://hl7.org/fhir/sid/us-npi%7C41"}}],
		"serviceProvider":{"reference":"Organization?identifier=42"},"subject":{"reference":"Patient?_id=p"}}`
	referred = `{"resourceType":"Bundle","type":"batch","entry":[
		{"resource":{"resourceType":"Practitioner","id":"doc","identifier":[{"system":"http://other.example.org","value":"41"},{"system":"http://hl7.org/fhir/sid/us-npi","value":"41"}]}},
		{"resource":{"resourceType":"Organization","id":"org","identifier":[{"system":"http://x.example.org","value":"42"}]}}]}`
)

func TestConditionalReferencesAreResolvedInAnyOrder(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"before":         {"1.json": referred, "2.json": referring},
		"behind":         {"1.json": referring, "2.json": referred},
		"in one Bundle":  {"1.json": `{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + referring + `},` + referred[len(`{"resourceType":"Bundle","type":"batch","entry":[`):]},
		"from two lines": {"1.ndjson": oneLine(referring) + "\n" + oneLine(referred) + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			b.paths(t, files)
			b.want(t)
			contains(t, b.body(t, "Encounter", "e"), `"reference":"Practitioner/doc"`, `"reference":"Organization/org"`, `"reference":"Patient/p"`)
		})
	}
}

func oneLine(s string) string {
	var out []byte
	for i := range len(s) {
		if s[i] != '\n' && s[i] != '\t' {
			out = append(out, s[i])
		}
	}
	return string(out)
}

func TestConditionsThatCannotBeResolved(t *testing.T) {
	t.Parallel()
	ref := func(s string) string {
		return `{"resourceType":"Patient","id":"p","generalPractitioner":[{"reference":"` + s + `"}]}`
	}
	for name, c := range map[string]struct{ content, want string }{
		"nobody":      {ref("Practitioner?identifier=a|b"), `the reference "Practitioner?identifier=a|b" is met by no resource`},
		"by name":     {ref("Practitioner?name=a"), `the condition "Practitioner?name=a" cannot be resolved: only Type?identifier=system|value and Type?_id=id can`},
		"two at once": {ref("Practitioner?identifier=a|b&_id=c"), `the condition "Practitioner?identifier=a|b&_id=c" cannot be resolved: only Type?identifier=system|value and Type?_id=id can`},
		"a list":      {ref("Practitioner?identifier=a|b,a|c"), `the condition "Practitioner?identifier=a|b,a|c" cannot be resolved: only Type?identifier=system|value and Type?_id=id can`},
		"several": {
			`{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + ref("Practitioner?identifier=a|b") + `},
			{"resource":{"resourceType":"Practitioner","id":"1","identifier":[{"system":"a","value":"b"}]}},
			{"resource":{"resourceType":"Practitioner","id":"2","identifier":[{"system":"a","value":"b"}]}}]}`,
			`the condition "Practitioner?identifier=a|b" is met by more than one resource`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			b.paths(t, map[string]string{"1.json": c.content})
			at := "1.json: Patient/p: "
			if name == "several" {
				at = "1.json:entry[0]: Patient/p: "
			}
			b.want(t, at+c.want)
		})
	}
}

func TestConditionalCreateGivesWayToWhatIsThere(t *testing.T) {
	t.Parallel()
	hospital := func(id, kept string) string {
		return `{"resourceType":"Bundle","type":"transaction","entry":[
			{"fullUrl":"urn:uuid:` + id + `","resource":{"resourceType":"Organization","id":"` + id + `","name":"` + id + `","identifier":[{"system":"a","value":"b"}]},
			 "request":{"method":"POST","url":"Organization","ifNoneExist":"identifier=a|b"}},
			{"resource":{"resourceType":"Patient","id":"` + kept + `","managingOrganization":{"reference":"urn:uuid:` + id + `"}}}]}`
	}
	b := newBench()
	files := map[string]string{"1.json": hospital("first", "p1"), "2.json": hospital("second", "p2")}
	sum, _ := b.paths(t, files)
	b.want(t)
	if got := sum.Total(); got != (load.Counts{Created: 3, Unchanged: 1}) {
		t.Errorf("counts %+v", got)
	}
	for _, p := range []string{"p1", "p2"} {
		contains(t, b.body(t, "Patient", p), `"reference":"Organization/first"`)
	}
	if _, err := b.records.Read(t.Context(), fhir.Key{Type: "Organization", ID: "second"}); err == nil {
		t.Error("both were created")
	}
	sum, _ = b.paths(t, files)
	if got := sum.Total(); got != (load.Counts{Unchanged: 4}) {
		t.Errorf("second time %+v", got)
	}
}

func TestConditionalUpdateWritesWhatMeetsTheCondition(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.paths(t, map[string]string{
		"1.json": `{"resourceType":"Practitioner","id":"doc","identifier":[{"system":"a","value":"b"}]}`,
		"2.json": `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"` + doc + `","resource":{"resourceType":"Practitioner","active":true,"identifier":[{"system":"a","value":"b"}]},
			"request":{"method":"PUT","url":"Practitioner?identifier=a|b"}}]}`,
	})
	b.want(t)
	contains(t, b.body(t, "Practitioner", "doc"), `"active":true`)
	if n := b.versions(t, "Practitioner", "doc"); n != 1 {
		t.Errorf("%d versions", n)
	}
}

// finder is a repository that can search by identifier, and finds one resource.
type finder struct {
	fhir.Repository
	asked []fhir.Value
}

var byIdentifier = &fhir.SearchParam{Name: "identifier", Type: fhir.ParamToken}

func (f *finder) Describe(t fhir.Type) fhir.Capability {
	c := f.Repository.Describe(t)
	c.Params = []*fhir.SearchParam{byIdentifier}
	return c
}

func (f *finder) Search(_ context.Context, q *fhir.Query) (fhir.Page, error) {
	term, ok := q.Where.(fhir.Term)
	if !ok || term.Param != byIdentifier {
		return fhir.Page{}, nil
	}
	f.asked = append(f.asked, term.Value)
	return fhir.Page{Resources: []fhir.Resource{{Key: fhir.Key{Type: q.Type, ID: "in-the-ehr"}}}}, nil
}

func TestConditionsAreAskedOfTheRepository(t *testing.T) {
	t.Parallel()
	b := newBench()
	f := &finder{Repository: b.records}
	b.Loader.Repository = f
	b.Workers = 1
	b.paths(t, map[string]string{
		"1.json": `{"resourceType":"Patient","id":"p","generalPractitioner":[{"reference":"Practitioner?identifier=a|b"},{"reference":"Practitioner?identifier=b"},{"reference":"Practitioner?identifier=|b"}]}`,
		"2.json": `{"resourceType":"Patient","id":"q","generalPractitioner":[{"reference":"Practitioner?identifier=a|b"}]}`,
	})
	b.want(t)
	contains(t, b.body(t, "Patient", "p"), `"reference":"Practitioner/in-the-ehr"`)
	want := []fhir.Value{fhir.TokenValue{System: "a", Code: "b"}, fhir.TokenValue{Code: "b", AnySystem: true}, fhir.TokenValue{Code: "b"}}
	if len(f.asked) != len(want) {
		t.Fatalf("asked %v", f.asked)
	}
	for i := range want {
		if f.asked[i] != want[i] {
			t.Errorf("asked %v, want %v", f.asked[i], want[i])
		}
	}
}
