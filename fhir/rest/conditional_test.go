package rest

import (
	"strings"
	"sync"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

func TestPatch(t *testing.T) {
	t.Parallel()
	const female = `{"op":"test","path":"/gender","value":"female"}`
	other := `[` + female + `,{"op":"replace","path":"/gender","value":"other"}]`
	json := []string{"Content-Type", "application/json-patch+json"}
	fhirPath := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.gender"},{"name":"value","valueCode":"unknown"}]}]}`
	for _, x := range []exchange{
		{claim: "G3.1 a JSON Patch makes a version", method: "PATCH", path: "/fhir/Patient/1", body: other, headers: json, status: 200, header: map[string]string{"ETag": `W/"3"`}, contains: []string{`"gender":"other"`}},
		{claim: "G3.2 a FHIRPath Patch makes a version", method: "PATCH", path: "/fhir/Patient/1", body: fhirPath, status: 200, header: map[string]string{"ETag": `W/"3"`}, contains: []string{`"gender":"unknown"`}},
		{claim: "G3.1 a patch that changes nothing makes none", method: "PATCH", path: "/fhir/Patient/1", body: `[` + female + `]`, headers: json, status: 200, header: map[string]string{"ETag": `W/"2"`}},
		{claim: "G3.1 a test that fails is 422", method: "PATCH", path: "/fhir/Patient/1", body: `[{"op":"test","path":"/gender","value":"male"}]`, headers: json, status: 422, code: fhir.CodeValue},
		{claim: "G3.1 an empty body is 400", method: "PATCH", path: "/fhir/Patient/1", headers: json, status: 400, code: fhir.CodeInvalid},
		{claim: "G3.1 another media type is 415", method: "PATCH", path: "/fhir/Patient/1", body: other, headers: []string{"Content-Type", "text/plain"}, status: 415, code: fhir.CodeNotSupported, header: map[string]string{"Accept-Patch": "application/json-patch+json, application/fhir+json"}},
		{claim: "G2.2 a patch honours Prefer", method: "PATCH", path: "/fhir/Patient/1", body: other, headers: append([]string{"Prefer", "return=minimal"}, json...), status: 200, header: map[string]string{"ETag": `W/"3"`, "Content-Type": ""}},
		{claim: "G3.4 the result must be valid", method: "PATCH", path: "/fhir/Patient/1", body: `[{"op":"add","path":"/gender","value":"x"}]`, headers: json, status: 422, code: fhir.CodeCodeInvalid},
		{claim: "G3.4 a patch honours If-Match", method: "PATCH", path: "/fhir/Patient/1", body: other, headers: append([]string{"If-Match", `W/"1"`}, json...), status: 412, code: fhir.CodeConflict},
		{claim: "G3.4 a patch of what never was is 404", method: "PATCH", path: "/fhir/Patient/nobody", body: other, headers: json, status: 404, code: fhir.CodeNotFound},
		{claim: "G3.4 a patch of what was deleted is 410", method: "PATCH", path: "/fhir/Patient/2", body: other, headers: json, status: 410, code: fhir.CodeDeleted},
		{claim: "G3.4 conditional patch", method: "PATCH", path: "/fhir/Patient?_id=1", body: other, headers: json, status: 200, header: map[string]string{"ETag": `W/"3"`}},
		{claim: "G3.4 conditional patch of nothing is 404", method: "PATCH", path: "/fhir/Patient?_id=nobody", body: other, headers: json, status: 404, code: fhir.CodeNotFound},
	} {
		t.Run(x.claim, func(t *testing.T) {
			t.Parallel()
			x.check(t, newEnv(t, nil).seed(t))
		})
	}
}

func TestPatchesAtTheSameTimeAllCount(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil).seed(t)
	e.do(t, "PUT", "/fhir/Patient/3", `{"resourceType":"Patient","id":"3","name":[{"text":"first"}]}`)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			w := e.do(t, "PATCH", "/fhir/Patient/3", `[{"op":"add","path":"/name/-","value":{"text":"more"}}]`, "Content-Type", "application/json-patch+json")
			if w.Code != 200 {
				t.Errorf("G2.11: %d %s", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	w := e.do(t, "GET", "/fhir/Patient/3", "")
	if strings.Count(w.Body.String(), `"more"`) != 16 || w.Header().Get("ETag") != `W/"17"` {
		t.Errorf("G2.11: an update was lost: %s %s", w.Header().Get("ETag"), w.Body)
	}
}

func TestConditionalWrites(t *testing.T) {
	t.Parallel()
	female := `{"resourceType":"Patient","gender":"female"}`
	with := func(id string) string { return strings.Replace(female, `"Patient"`, `"Patient","id":"`+id+`"`, 1) }
	both := "_id=o1,o2"
	for _, x := range []exchange{
		{claim: "G2.6 conditional create makes what is not there", method: "POST", path: "/fhir/Patient", body: female, headers: []string{"If-None-Exist", "_id=none"}, status: 201},
		{claim: "G2.6 conditional create leaves what is there", method: "POST", path: "/fhir/Patient", body: female, headers: []string{"If-None-Exist", "_id=1"}, status: 200, header: map[string]string{"ETag": `W/"2"`, "Location": testBase + "/Patient/1/_history/2"}},
		{claim: "G2.6 several are 412", method: "POST", path: "/fhir/Observation", body: `{"resourceType":"Observation","status":"final","code":{"text":"x"}}`, headers: []string{"If-None-Exist", both}, status: 412, code: fhir.CodeMultiple},
		{claim: "G2.6 no criteria are 400", method: "POST", path: "/fhir/Patient", body: female, headers: []string{"If-None-Exist", "?"}, status: 400, code: fhir.CodeInvalid},
		{claim: "G2.6 an empty value is 400", method: "POST", path: "/fhir/Patient", body: female, headers: []string{"If-None-Exist", "_id="}, status: 400, code: fhir.CodeInvalid},
		{claim: "G2.6 unknown criteria are 400, also when lenient", method: "POST", path: "/fhir/Patient", body: female, headers: []string{"If-None-Exist", "_id=none&nonsense=1", "Prefer", "handling=lenient"}, status: 400, code: fhir.CodeNotSupported},
		{claim: "G2.6 what shapes a result is no criterion", method: "POST", path: "/fhir/Patient", body: female, headers: []string{"If-None-Exist", "_count=1"}, status: 400, code: fhir.CodeInvalid},
		{claim: "G2.7 conditional update of one", method: "PUT", path: "/fhir/Patient?_id=1", body: `{"resourceType":"Patient","gender":"other"}`, status: 200, header: map[string]string{"ETag": `W/"3"`}},
		{claim: "G2.7 conditional update of one with its id", method: "PUT", path: "/fhir/Patient?_id=1", body: strings.Replace(with("1"), "female", "other", 1), status: 200, header: map[string]string{"ETag": `W/"3"`}},
		{claim: "G2.7 conditional update of one with another id is 400", method: "PUT", path: "/fhir/Patient?_id=1", body: with("7"), status: 400, code: fhir.CodeInvalid},
		{claim: "G2.7 conditional update of none creates", method: "PUT", path: "/fhir/Patient?_id=none", body: female, status: 201},
		{claim: "G2.7 conditional update of none creates with the id", method: "PUT", path: "/fhir/Patient?_id=none", body: with("8"), status: 201, header: map[string]string{"Location": testBase + "/Patient/8/_history/1"}},
		{claim: "G2.7 conditional update does not overwrite what does not match", method: "PUT", path: "/fhir/Patient?_id=none", body: with("1"), status: 409, code: fhir.CodeDuplicate},
		{claim: "G2.7 several are 412", method: "PUT", path: "/fhir/Observation?" + both, body: `{"resourceType":"Observation","status":"final","code":{"text":"x"}}`, status: 412, code: fhir.CodeMultiple},
		{claim: "G2.7 no criteria are 400", method: "PUT", path: "/fhir/Patient", body: female, status: 400, code: fhir.CodeInvalid},
		{claim: "G2.7 conditional update honours If-Match", method: "PUT", path: "/fhir/Patient?_id=1", body: female, headers: []string{"If-Match", `W/"1"`}, status: 412, code: fhir.CodeConflict},
		{claim: "G2.8 conditional delete of one", method: "DELETE", path: "/fhir/Patient?_id=1", status: 204, header: map[string]string{"ETag": `W/"3"`}},
		{claim: "G2.8 conditional delete of none", method: "DELETE", path: "/fhir/Patient?_id=none", status: 204},
		{claim: "G2.8 several are 412", method: "DELETE", path: "/fhir/Observation?" + both, status: 412, code: fhir.CodeMultiple},
		{claim: "G2.8 no criteria never mean all", method: "DELETE", path: "/fhir/Patient", status: 400, code: fhir.CodeInvalid},
		{claim: "G2.8 nor do unknown ones", method: "DELETE", path: "/fhir/Patient?nonsense=1", headers: []string{"Prefer", "handling=lenient"}, status: 400, code: fhir.CodeNotSupported},
		{claim: "G2.8 nor does _format", method: "DELETE", path: "/fhir/Patient?_format=json", status: 400, code: fhir.CodeInvalid},
	} {
		t.Run(x.claim, func(t *testing.T) {
			t.Parallel()
			x.check(t, newEnv(t, nil).seed(t))
		})
	}
}
