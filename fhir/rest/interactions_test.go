package rest

import (
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

// exchange is one request and what its answer must be like.
type exchange struct {
	claim        string
	method, path string
	body         string
	headers      []string // pairs
	status       int
	code         fhir.IssueCode    // of the outcome, when there is one
	header       map[string]string // exact; "" means absent
	contains     []string          // parts of the body
}

func (x exchange) check(t *testing.T, e *env) {
	t.Helper()
	w := e.do(t, x.method, x.path, x.body, x.headers...)
	if w.Code != x.status {
		t.Fatalf("status %d, want %d: %s", w.Code, x.status, w.Body)
	}
	if got := outcomeCode(t, w.Body.Bytes()); got != x.code && x.method != "HEAD" {
		t.Errorf("outcome %q, want %q: %s", got, x.code, w.Body)
	}
	for name, want := range x.header {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, part := range x.contains {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("no %q in %s", part, w.Body)
		}
	}
}

const stamp = "Wed, 04 Mar 2026 05:06:07 GMT"

func TestInteractions(t *testing.T) {
	t.Parallel()
	patient := `{"resourceType":"Patient","id":"9"}`
	for _, x := range []exchange{
		{
			claim: "G1.1 read answers with ETag and Last-Modified", method: "GET", path: "/fhir/Patient/1", status: 200,
			header:   map[string]string{"ETag": `W/"2"`, "Last-Modified": stamp, "Content-Type": "application/fhir+json; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
			contains: []string{`"gender":"female"`},
		},
		{claim: "G1.1 an unknown id is 404", method: "GET", path: "/fhir/Patient/nobody", status: 404, code: fhir.CodeNotFound},
		{claim: "G1.1 a deleted resource is 410", method: "GET", path: "/fhir/Patient/2", status: 410, code: fhir.CodeDeleted, header: map[string]string{"ETag": `W/"2"`}},
		{claim: "G1.1 an unknown type is 404 and names the nearest", method: "GET", path: "/fhir/Patiant/1", status: 404, code: fhir.CodeNotFound, contains: []string{"Did you mean Patient?"}},
		{claim: "G1.1 type names are case-sensitive", method: "GET", path: "/fhir/patient/1", status: 404, code: fhir.CodeNotFound, contains: []string{"Did you mean Patient?"}},
		{claim: "G1.1 an R4 type that is not served says so", method: "GET", path: "/fhir/Basic/1", status: 404, code: fhir.CodeNotSupported},
		{claim: "G1.1 a malformed id is 400", method: "GET", path: "/fhir/Patient/a_b", status: 400, code: fhir.CodeInvalid},
		{claim: "G1.1 an encoded slash stays in the id", method: "GET", path: "/fhir/Patient/1%2F_history", status: 400, code: fhir.CodeInvalid},
		{claim: "G1.1 dots do not climb", method: "GET", path: "/fhir/Patient/../metadata", status: 404, code: fhir.CodeNotFound},
		{claim: "G1.2 If-None-Match of this version is 304 without a body", method: "GET", path: "/fhir/Patient/1", headers: []string{"If-None-Match", `W/"1", W/"2"`}, status: 304, header: map[string]string{"ETag": `W/"2"`, "Content-Type": ""}},
		{claim: "G1.2 If-None-Match of an old version is 200", method: "GET", path: "/fhir/Patient/1", headers: []string{"If-None-Match", `W/"1"`}, status: 200},
		{claim: "G1.2 If-Modified-Since then is 304", method: "GET", path: "/fhir/Patient/1", headers: []string{"If-Modified-Since", stamp}, status: 304},
		{claim: "G1.2 If-Modified-Since before is 200", method: "GET", path: "/fhir/Patient/1", headers: []string{"If-Modified-Since", "Wed, 04 Mar 2026 05:06:06 GMT"}, status: 200},
		{claim: "G1.2 If-None-Match wins over If-Modified-Since", method: "GET", path: "/fhir/Patient/1", headers: []string{"If-Modified-Since", stamp, "If-None-Match", `"1"`}, status: 200},
		{claim: "G1.2 If-Match of another version is 412", method: "GET", path: "/fhir/Patient/1", headers: []string{"If-Match", `W/"1"`}, status: 412, code: fhir.CodeConflict},
		{claim: "G1.3 vread of an old version has its ETag", method: "GET", path: "/fhir/Patient/1/_history/1", status: 200, header: map[string]string{"ETag": `W/"1"`}, contains: []string{`"male"`}},
		{claim: "G1.3 an unknown version is 404", method: "GET", path: "/fhir/Patient/1/_history/7", status: 404, code: fhir.CodeNotFound},
		{claim: "G1.3 the version of a delete marker is 410", method: "GET", path: "/fhir/Patient/2/_history/2", status: 410, code: fhir.CodeDeleted, header: map[string]string{"ETag": `W/"2"`}},
		{
			claim: "G1.4 history is newest first with request and response", method: "GET", path: "/fhir/Patient/2/_history", status: 200,
			contains: []string{`"type":"history","total":2`, `"request":{"method":"DELETE","url":"Patient/2"},"response":{"status":"204","etag":"W/\"2\"","lastModified":"2026-03-04T05:06:07.890Z"}},{`, `"request":{"method":"PUT","url":"Patient/2"},"response":{"status":"201",`},
		},
		{claim: "G1.4 history of what never was is 404", method: "GET", path: "/fhir/Patient/nobody/_history", status: 404, code: fhir.CodeNotFound},
		{claim: "G1.4 history refuses a malformed _since", method: "GET", path: "/fhir/Patient/1/_history?_since=2020", status: 400, code: fhir.CodeInvalid},
		{claim: "G1.4 history refuses a future _since", method: "GET", path: "/fhir/Patient/1/_history?_since=2999-01-01T00:00:00Z", status: 400, code: fhir.CodeInvalid},
		{claim: "G1.4 history refuses what it does not know", method: "GET", path: "/fhir/Patient/1/_history?_list=2020", status: 400, code: fhir.CodeNotSupported},
		{claim: "G1.4 history of a type", method: "GET", path: "/fhir/Patient/_history?_count=9", status: 200, contains: []string{`"total":4`, `{"relation":"self","url":"http://localhost:8080/fhir/Patient/_history?_count=9"}`, `Patient/1"`, `Patient/2"`}},
		{claim: "G1.4 history of all types", method: "GET", path: "/fhir/_history?_count=20", status: 200, contains: []string{`"total":9`, `{"relation":"self","url":"http://localhost:8080/fhir/_history?_count=20"}`, `Patient/1"`, `Observation/o5"`}},
		{claim: "G1.4 history of all types takes _elements of any", method: "GET", path: "/fhir/_history?_elements=gender", status: 200},
		{claim: "G1.4 history of a type that has none is 405", method: "GET", path: "/fhir/Slot/_history", status: 405, code: fhir.CodeNotSupported, header: map[string]string{"Allow": "OPTIONS"}},
		{claim: "G1.4 history is only read", method: "DELETE", path: "/fhir/_history", status: 405, code: fhir.CodeNotSupported, header: map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
		{claim: "G1.4 history takes OPTIONS", method: "OPTIONS", path: "/fhir/Patient/_history", status: 204, header: map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
		{claim: "G1.4 history at a time", method: "GET", path: "/fhir/Patient/1/_history?_at=2026-03-04", status: 200, contains: []string{`_history?_at=2026-03-04"`, `"total":2`}},
		{claim: "G1.4 history refuses a malformed _at", method: "GET", path: "/fhir/Patient/1/_history?_at=ge2020", status: 400, code: fhir.CodeInvalid},
		{claim: "G1.4 history refuses a future _at", method: "GET", path: "/fhir/_history?_at=2999", status: 400, code: fhir.CodeInvalid},
		{claim: "G1.4 history takes the order that it has", method: "GET", path: "/fhir/_history?_sort=-_lastUpdated", status: 200},
		{claim: "G1.4 history refuses another order", method: "GET", path: "/fhir/_history?_sort=_id", status: 400, code: fhir.CodeNotSupported},
		{claim: "G1.4 history refuses _count=0", method: "GET", path: "/fhir/_history?_count=0", status: 400, code: fhir.CodeInvalid},
		{claim: "G1.4 history pages", method: "GET", path: "/fhir/Patient/1/_history?_count=1", status: 200, contains: []string{`{"relation":"next","url":"http://localhost:8080/fhir/Patient/1/_history?_count=1&_cursor=`}},
		{claim: "G1.5 history refuses a cursor that it did not seal", method: "GET", path: "/fhir/Patient/1/_history?_count=1&_cursor=1", status: 400, code: fhir.CodeInvalid},
		{claim: "G1.6 HEAD is answered like GET", method: "HEAD", path: "/fhir/Patient/1", status: 200, header: map[string]string{"ETag": `W/"2"`, "Content-Length": "78"}},
		{claim: "G1.6 HEAD of nothing is 404", method: "HEAD", path: "/fhir/Patient/nobody", status: 404},
		{
			claim: "G2.1 create answers 201 with Location, ETag and Last-Modified", method: "POST", path: "/fhir/Patient", body: `{"resourceType":"Patient","gender":"other"}`, status: 201,
			header: map[string]string{"Location": testBase + "/Patient/made-8/_history/1", "ETag": `W/"1"`, "Last-Modified": stamp}, contains: []string{`"gender":"other"`},
		},
		{claim: "G2.2 return=minimal has no body", method: "POST", path: "/fhir/Patient", body: patient, headers: []string{"Prefer", "return=minimal"}, status: 201, header: map[string]string{"Content-Type": ""}},
		{claim: "G2.2 return=OperationOutcome has one", method: "POST", path: "/fhir/Patient", body: patient, headers: []string{"Prefer", "return=OperationOutcome"}, status: 201, code: fhir.CodeInformational},
		{claim: "G2.2 an unknown return is ignored", method: "POST", path: "/fhir/Patient", body: patient, headers: []string{"Prefer", "return=presentation"}, status: 201},
		{claim: "G2.2 an unknown preference is ignored", method: "POST", path: "/fhir/Patient", body: patient, headers: []string{"Prefer", "wait=10, return=minimal"}, status: 201},
		{claim: "G2.3 the wrong type is 400", method: "POST", path: "/fhir/Observation", body: patient, status: 400, code: fhir.CodeStructure},
		{claim: "G2.3 no id on PUT is 400", method: "PUT", path: "/fhir/Patient/9", body: `{"resourceType":"Patient"}`, status: 400, code: fhir.CodeInvalid},
		{claim: "G2.3 another id on PUT is 400", method: "PUT", path: "/fhir/Patient/8", body: patient, status: 400, code: fhir.CodeInvalid},
		{claim: "G2.3 what cannot be parsed is 400", method: "POST", path: "/fhir/Patient", body: `{"resourceType":`, status: 400, code: fhir.CodeStructure},
		{claim: "G2.3 the wrong Content-Type is 415", method: "POST", path: "/fhir/Patient", body: patient, headers: []string{"Content-Type", "text/plain"}, status: 415, code: fhir.CodeNotSupported},
		{claim: "G2.3 no Content-Type is 415", method: "POST", path: "/fhir/Patient", body: patient, headers: []string{"Content-Type", ""}, status: 415, code: fhir.CodeNotSupported},
		{claim: "G2.3 too large is 413", method: "POST", path: "/fhir/Patient", body: `{"resourceType":"Patient","id":"` + strings.Repeat("x", 20<<10) + `"}`, status: 413, code: fhir.CodeTooLong},
		{claim: "G2.4 update is 200 with a new version", method: "PUT", path: "/fhir/Patient/1", body: `{"resourceType":"Patient","id":"1"}`, status: 200, header: map[string]string{"ETag": `W/"3"`, "Location": ""}},
		{claim: "G2.4 update as create is 201", method: "PUT", path: "/fhir/Patient/9", body: patient, status: 201, header: map[string]string{"Location": testBase + "/Patient/9/_history/1"}},
		{claim: "G2.4 an update without a change makes no version", method: "PUT", path: "/fhir/Patient/1", body: `{"resourceType":"Patient","id":"1","gender":"female"}`, status: 200, header: map[string]string{"ETag": `W/"2"`}},
		{claim: "G2.5 the right If-Match updates", method: "PUT", path: "/fhir/Patient/1", body: `{"resourceType":"Patient","id":"1"}`, headers: []string{"If-Match", `W/"2"`}, status: 200},
		{claim: "G2.5 a strong If-Match updates", method: "PUT", path: "/fhir/Patient/1", body: `{"resourceType":"Patient","id":"1"}`, headers: []string{"If-Match", `"2"`}, status: 200},
		{claim: "G2.5 a stale If-Match is 412", method: "PUT", path: "/fhir/Patient/1", body: `{"resourceType":"Patient","id":"1"}`, headers: []string{"If-Match", `W/"1"`}, status: 412, code: fhir.CodeConflict},
		{claim: "G2.5 a malformed If-Match is 400", method: "PUT", path: "/fhir/Patient/1", body: `{"resourceType":"Patient","id":"1"}`, headers: []string{"If-Match", `2`}, status: 400, code: fhir.CodeInvalid},
		{claim: "G2.5 several versions in If-Match are 400", method: "PUT", path: "/fhir/Patient/1", body: `{"resourceType":"Patient","id":"1"}`, headers: []string{"If-Match", `W/"1", W/"2"`}, status: 400, code: fhir.CodeInvalid},
		{claim: "G2.5 If-None-Match * on what exists is 412", method: "PUT", path: "/fhir/Patient/1", body: `{"resourceType":"Patient","id":"1"}`, headers: []string{"If-None-Match", "*"}, status: 412, code: fhir.CodeConflict},
		{claim: "G2.5 If-None-Match * on what is new creates", method: "PUT", path: "/fhir/Patient/9", body: patient, headers: []string{"If-None-Match", "*"}, status: 201},
		{claim: "G2.5 a stale If-Match on DELETE is 412", method: "DELETE", path: "/fhir/Patient/1", headers: []string{"If-Match", `W/"1"`}, status: 412, code: fhir.CodeConflict},
		{claim: "criteria on an instance are refused", method: "DELETE", path: "/fhir/Patient/1?identifier=x", status: 400, code: fhir.CodeInvalid},
		{claim: "G2.9 delete is 204", method: "DELETE", path: "/fhir/Patient/1", status: 204, header: map[string]string{"ETag": `W/"3"`}},
		{claim: "G2.9 delete with return=OperationOutcome is 200", method: "DELETE", path: "/fhir/Patient/1", headers: []string{"Prefer", "return=OperationOutcome"}, status: 200, code: fhir.CodeInformational},
		{claim: "G2.9 deleting what never was is 204", method: "DELETE", path: "/fhir/Patient/nobody", status: 204},
		{claim: "G2.9 a PUT revives with the next version", method: "PUT", path: "/fhir/Patient/2", body: `{"resourceType":"Patient","id":"2"}`, status: 201, header: map[string]string{"ETag": `W/"3"`}},
		{claim: "a batch is refused", method: "POST", path: "/fhir", body: `{"resourceType":"Bundle"}`, status: 405, code: fhir.CodeNotSupported},
		{claim: "G5.3 PATCH is 405 with Allow where it cannot be", method: "PATCH", path: "/fhir/Slot/1", body: `[]`, status: 405, code: fhir.CodeNotSupported, header: map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
		{claim: "G5.3 a method of no use is 405", method: "BREW", path: "/fhir/Patient/1", status: 405, code: fhir.CodeNotSupported},
		{claim: "G5.3 a type that can only be read allows that", method: "PUT", path: "/fhir/Slot/1", body: `{"resourceType":"Slot"}`, status: 405, code: fhir.CodeNotSupported, header: map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
		{claim: "G5.3 an unknown route is 404", method: "GET", path: "/fhir/Patient/1/2/3/4/5", status: 404, code: fhir.CodeNotFound},
		{claim: "G5.3 a URL outside the API is 404", method: "GET", path: "/fhirx/Patient/1", status: 404, code: fhir.CodeNotFound, contains: []string{testBase}},
		{claim: "G5.3 the base alone explains itself", method: "GET", path: "/fhir", status: 400, code: fhir.CodeTooCostly, contains: []string{"_type="}},
		{claim: "G5.3 an operation that there is not is 404", method: "GET", path: "/fhir/Patient/1/$translate", status: 404, code: fhir.CodeNotSupported},
		{claim: "G5.3 a type without a compartment is 400", method: "GET", path: "/fhir/Slot/1/Observation", status: 400, code: fhir.CodeNotSupported},
		{claim: "G5.3 a compartment of what cannot be searched is 404", method: "GET", path: "/fhir/Patient/1/Slot", status: 404, code: fhir.CodeNotSupported},
		{claim: "G5.3 a compartment is only read", method: "DELETE", path: "/fhir/Patient/1/*", status: 405, code: fhir.CodeNotSupported, header: map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
		{claim: "G5.3 a compartment of no type is 404", method: "GET", path: "/fhir/Patient/1/Everything", status: 404, code: fhir.CodeNotFound},
		{claim: "G5.3 an unknown parameter on read is 400", method: "GET", path: "/fhir/Patient/1?foo=bar", status: 400, code: fhir.CodeInvalid},
		{claim: "G5.3 broken percent-encoding is 400", method: "GET", path: "/fhir/Patient?_id=%zz", status: 400, code: fhir.CodeInvalid},
	} {
		t.Run(x.claim, func(t *testing.T) {
			t.Parallel()
			x.check(t, newEnv(t, func(s *Server) { s.Limits.Body = 16 << 10 }).seed(t))
		})
	}
}
