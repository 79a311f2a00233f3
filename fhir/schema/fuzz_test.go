package schema

import (
	"errors"
	"os"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// FuzzValidate wants, of any content: no panic, the same verdict twice, errors
// that are bounded *fhir.Errors; and of what is accepted, that it is strict JSON without
// duplicate names, and is still accepted when white space and order of members change.
func FuzzValidate(f *testing.F) {
	observation, err := os.ReadFile("testdata/observation.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(observation)
	for _, seed := range []string{
		`{"resourceType":"Patient","name":[{"given":["A",null],"_given":[null,{"extension":[{"url":"http://x","valueCode":"y"}]}]}]}`,
		`{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o"}],"managingOrganization":{"reference":"#o"}}`,
		`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"active":true,"resourceType":"Patient"},"request":{"method":"PUT","url":"Patient/1"}}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","valueDecimal":1.0e-3}]}]}`,
		`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href='#a'>b</a><!-- c -->&#160;</div>"}}`,
		`{"resourceType":"Patient","birthDate":"1990-02-30","gender":"x","nmae":1,"_active":{"id":"a"}}`,
	} {
		f.Add([]byte(seed))
	}
	v := &Validator{Base: testBase}
	f.Fuzz(func(t *testing.T, body []byte) {
		info, err := v.Validate(body, "")
		again, err2 := v.Validate(body, "")
		if info != again || (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("two verdicts: %+v %v, %+v %v", info, err, again, err2)
		}
		if err != nil {
			checkBounds(t, err)
			return
		}
		if !info.Type.Valid() || !jsontext.Value(body).IsValid() {
			t.Fatalf("accepted as %q: %q", info.Type, body)
		}
		canonical := jsontext.Value(body).Clone()
		if canonical.Format(jsontext.ReorderRawObjects(true)) != nil {
			t.Fatalf("cannot be formatted: %q", body)
		}
		if _, err := v.Validate(canonical, info.Type); err != nil {
			t.Fatalf("%q is accepted, %q is not: %v", body, canonical, err)
		}
	})
}

func checkBounds(t *testing.T, err error) {
	t.Helper()
	var e *fhir.Error
	if !errors.As(err, &e) || len(e.Issues) == 0 || len(e.Issues) > MaxIssues+1 {
		t.Fatalf("error is %T: %v", err, err)
	}
	for _, is := range e.Issues {
		if is.Code == "" || is.Detail == "" || len(is.Detail) > 1000 {
			t.Fatalf("issue is %+v", is)
		}
	}
}
