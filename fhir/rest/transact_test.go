package rest

import (
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	fhirbundle "github.com/portico-fhir/portico/fhir/bundle"
)

func TestBundles(t *testing.T) {
	t.Parallel()
	one := `{"request":{"method":"GET","url":"Patient/1"}}`
	batchOf := func(entries ...string) string {
		return `{"resourceType":"Bundle","type":"batch","entry":[` + strings.Join(entries, ",") + `]}`
	}
	for _, x := range []exchange{
		{
			claim: "G4.7 a batch answers each entry", method: "POST", path: "/fhir", body: batchOf(one, `{"request":{"method":"GET","url":"Patient/nobody"}}`), status: 200,
			contains: []string{`"type":"batch-response"`, `"status":"200 OK","etag":"W/\"2\"","lastModified":"2026-03-04T05:06:07.890Z"`, `"status":"404 Not Found"`, `"expression":["Bundle.entry[1]"]`},
		},
		{claim: "G4.9 a url may be absolute", method: "POST", path: "/fhir", body: batchOf(`{"request":{"method":"GET","url":"` + testBase + `/Patient/1"}}`), status: 200, contains: []string{`"status":"200 OK"`}},
		{claim: "G4.10 a url may not leave the base", method: "POST", path: "/fhir", body: batchOf(`{"request":{"method":"GET","url":"../healthz"}}`), status: 200, contains: []string{`"status":"404 Not Found"`}},
		{claim: "G4.10 a Bundle within a Bundle is refused", method: "POST", path: "/fhir", body: batchOf(`{"resource":{"resourceType":"Bundle","type":"batch"},"request":{"method":"POST","url":"/"}}`), status: 200, contains: []string{`"status":"400 Bad Request"`}},
		{claim: "G4.10 a type that cannot be written fails clearly", method: "POST", path: "/fhir", body: strings.Replace(batchOf(`{"resource":{"resourceType":"Slot","id":"1"},"request":{"method":"PUT","url":"Slot/1"}}`), "batch", "transaction", 1), status: 400, code: fhir.CodeNotSupported, contains: []string{"Bundle.entry[0].request.url"}},
		{claim: "G7.19 too many entries are 413, and the limit is named", method: "POST", path: "/fhir", body: batchOf(one, one, one, one), status: 413, code: fhir.CodeTooCostly, contains: []string{"3 entries"}},
		{claim: "G7.19 too many bytes are 413, and the limit is named", method: "POST", path: "/fhir", body: batchOf(one, `{"fullUrl":"`+strings.Repeat("x", 2000)+`"}`), status: 413, code: fhir.CodeTooLong, contains: []string{"2000 bytes"}},
		{claim: "G4.10 parameters mean nothing", method: "POST", path: "/fhir?x=y", body: batchOf(one), status: 400, code: fhir.CodeInvalid},
		{claim: "G4.8 Prefer is honoured in a batch", method: "POST", path: "/fhir", body: batchOf(`{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}`), headers: []string{"Prefer", "return=representation"}, status: 200, contains: []string{`"resource":{"resourceType":"Patient"`, `"status":"201 Created","location":"` + testBase + `/Patient/`}},
		{claim: "G4.8 Prefer for an outcome", method: "POST", path: "/fhir", body: batchOf(`{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}`), headers: []string{"Prefer", "return=OperationOutcome"}, status: 200, contains: []string{`"outcome":{"resourceType":"OperationOutcome"`}},
		{claim: "G1.2 a conditional read in a batch", method: "POST", path: "/fhir", body: batchOf(`{"request":{"method":"GET","url":"Patient/1","ifModifiedSince":"2026-03-04T05:06:08Z"}}`), status: 200, contains: []string{`"status":"304 Not Modified"`}},
	} {
		t.Run(x.claim, func(t *testing.T) {
			t.Parallel()
			x.check(t, newEnv(t, func(s *Server) {
				s.Bundles = &fhirbundle.Processor{}
				s.Limits.Bundle, s.Limits.Entries = 2000, 3
			}).seed(t))
		})
	}
	t.Run("without a processor Bundles are refused", func(t *testing.T) {
		t.Parallel()
		exchange{method: "POST", path: "/fhir", body: batchOf(one), status: 405, code: fhir.CodeNotSupported}.check(t, newEnv(t, nil))
	})
}
