package rest

import (
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

func TestOperations(t *testing.T) {
	t.Parallel()
	parameters := func(s string) string { return `{"resourceType":"Parameters","parameter":[` + s + `]}` }
	for _, x := range []exchange{
		{
			claim: "G8.1 everything is a searchset", method: "GET", path: "/fhir/Patient/1/$everything?_format=json", status: 200,
			contains: []string{`"type":"searchset"`, `{"relation":"self","url":"http://localhost:8080/fhir/Patient/1/$everything?_format=json"}`, `fhir/Patient/1"`, `"mode":"match"`},
		},
		{
			claim: "G8.1 everything takes Parameters", method: "POST", path: "/fhir/Patient/1/$everything", status: 200,
			body:     parameters(`{"name":"_type","valueCode":"Patient"},{"name":"_elements","valueString":"name"},{"name":"_count","valueInteger":5}`),
			contains: []string{subsetted, `$everything?_type=Patient&_count=5&_elements=name"`},
		},
		{claim: "G8.1 everything is invoked without a body, too", method: "POST", path: "/fhir/Patient/1/$everything", status: 200, contains: []string{`"searchset"`}},
		{claim: "G8.1 the record of nobody is 404", method: "GET", path: "/fhir/Patient/nobody/$everything", status: 404, code: fhir.CodeNotFound},
		{claim: "G8.1 a deleted record is 410", method: "GET", path: "/fhir/Patient/2/$everything", status: 410, code: fhir.CodeDeleted},
		{claim: "G8.1 a malformed parameter is 400", method: "GET", path: "/fhir/Patient/1/$everything?start=x", status: 400, code: fhir.CodeInvalid},
		{claim: "G8.1 another page's cursor is 400", method: "GET", path: "/fhir/Patient/1/$everything?_cursor=x", status: 400, code: fhir.CodeInvalid},
		{claim: "G8.1 Parameters must be valid", method: "POST", path: "/fhir/Patient/1/$everything", body: parameters(`{"namme":"x"}`), status: 400, code: fhir.CodeStructure},
		{claim: "G8.1 Parameters must be of primitives", method: "POST", path: "/fhir/Patient/1/$everything", body: parameters(`{"name":"x","valueCoding":{"code":"a"}}`), status: 400, code: fhir.CodeNotSupported},
		{claim: "G8.1 the body must be JSON", method: "POST", path: "/fhir/Patient/1/$everything", body: "a=b", headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415, code: fhir.CodeNotSupported},
		{claim: "G8.1 of all patients", method: "GET", path: "/fhir/Patient/$everything?_count=5", status: 200, contains: []string{`{"relation":"self","url":"http://localhost:8080/fhir/Patient/$everything?_count=5"}`, `fhir/Patient/1"`}},
		{claim: "G8.3 lastn needs a subject", method: "GET", path: "/fhir/Observation/$lastn?code=x", status: 400, code: fhir.CodeInvalid},
		{claim: "G8.3 lastn is invoked on the type", method: "GET", path: "/fhir/Observation/o1/$lastn", status: 404, code: fhir.CodeNotSupported},
		{
			claim: "meta is that of the resource", method: "GET", path: "/fhir/Patient/1/$meta", status: 200,
			contains: []string{`{"resourceType":"Parameters","parameter":[{"name":"return","valueMeta":{"versionId":"2"}}]}`},
		},
		{claim: "G8.2 what is valid is told so", method: "POST", path: "/fhir/Patient/$validate", body: `{"resourceType":"Patient"}`, status: 200, code: fhir.CodeInvariant, contains: []string{`{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"invariant"`, `{"severity":"information","code":"informational"`}},
		{claim: "G8.2 what is invalid is told so", method: "POST", path: "/fhir/Patient/$validate", body: `{"resourceType":"Patient","gender":"x"}`, status: 200, code: fhir.CodeCodeInvalid, contains: []string{`"severity":"error","code":"code-invalid"`, `"expression":["Patient.gender"]`}},
		{claim: "G8.2 an instance can be validated", method: "GET", path: "/fhir/Patient/1/$validate", status: 200, code: fhir.CodeInvariant, contains: []string{`"informational"`}},
		{claim: "G8.2 a deletion can be validated", method: "POST", path: "/fhir/Patient/1/$validate?mode=delete", status: 200, code: fhir.CodeInformational, contains: []string{`"informational"`}},
		{claim: "G8.2 of a deleted resource there is nothing to validate", method: "GET", path: "/fhir/Patient/2/$validate", status: 410, code: fhir.CodeDeleted},
		{claim: "G8.2 an unknown mode is 400", method: "POST", path: "/fhir/Patient/$validate?mode=x", body: `{"resourceType":"Patient"}`, status: 400, code: fhir.CodeInvalid},
		{claim: "G8.2 an unknown profile is 400", method: "POST", path: "/fhir/Patient/$validate?profile=http://example.org/p", body: `{"resourceType":"Patient"}`, status: 400, code: fhir.CodeNotSupported},
		{claim: "G8.2 nothing to validate is 400", method: "GET", path: "/fhir/Patient/$validate", status: 400, code: fhir.CodeInvalid},
		{claim: "G8.2 what is not JSON is 415", method: "POST", path: "/fhir/Patient/$validate", body: "<Patient/>", headers: []string{"Content-Type", "application/xml"}, status: 415, code: fhir.CodeNotSupported},
		{claim: "an unknown operation is 404 and names the nearest", method: "POST", path: "/fhir/Patient/1/$mata", status: 404, code: fhir.CodeNotSupported, contains: []string{"$meta"}},
		{claim: "an operation is not deleted", method: "DELETE", path: "/fhir/Patient/1/$meta", status: 405, code: fhir.CodeNotSupported, header: map[string]string{"Allow": "GET, HEAD, POST, OPTIONS"}},
		{claim: "OPTIONS tells the methods of an operation", method: "OPTIONS", path: "/fhir/Patient/1/$meta", status: 204, header: map[string]string{"Allow": "GET, HEAD, POST, OPTIONS"}},
		{claim: "OPTIONS tells the methods of a compartment", method: "OPTIONS", path: "/fhir/Patient/1/Observation/_search", status: 204, header: map[string]string{"Allow": "POST, OPTIONS"}},
		{claim: "there is nothing behind an operation", method: "GET", path: "/fhir/Patient/1/$meta/x", status: 404, code: fhir.CodeNotFound},
	} {
		t.Run(x.claim, func(t *testing.T) {
			t.Parallel()
			x.check(t, newEnv(t, nil).seed(t))
		})
	}
}
