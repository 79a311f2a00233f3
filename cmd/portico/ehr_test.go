package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/conformance/program"
)

// writesOfTheClinic changes the demo clinic's documents from outside, as apps of patients
// and clinicians would. Nobody is logged in: what depends on who acts is tested with the chart map.
func writesOfTheClinic(t *testing.T, p *program.Server) {
	const (
		unit     = `"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"`
		pressure = `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"Patient/amy-shaw"},` +
			`"effectiveDateTime":"2026-06-01T08:00:00+02:00","component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":124,UNIT}}]}`
		refill = `{"resourceType":"MedicationRequest","status":"active","intent":"proposal","subject":{"reference":"Patient/amy-shaw"},"requester":{"reference":"Patient/amy-shaw"},` +
			`"medicationCodeableConcept":{"text":"Levotyroksin"},"priorPrescription":{"reference":"MedicationRequest/69c133b0c11e1c0007bb577a"}}`
		appointment = "/Appointment/6a1c5b00c11e1c0007982b63"
		message     = "/Communication/6a1c7aa4c11e1c0007ba9158"
		patch       = "application/json-patch+json"
	)
	flag := `{"resource":{"resourceType":"Flag","id":"calls","status":"active","code":{"text":"calls"},"subject":{"reference":"Patient/tom-shaw"}},"request":{"method":"PUT","url":"Flag/calls"}}`
	both := func(email, version string) string {
		patch := `[{"op":"replace","path":"/telecom/1/value","value":"` + email + `"}]`
		return `{"resourceType":"Bundle","type":"transaction","entry":[` + flag + `,{"resource":{"resourceType":"Binary","contentType":"` + "application/json-patch+json" +
			`","data":"` + base64Of(patch) + `"},"request":{"method":"PATCH","url":"Patient/tom-shaw","ifMatch":"W/\"` + version + `\""}}]}`
	}
	steps := []struct {
		claim, method, path, kind, match, body string
		status                                 int
		says                                   string // in the answer
	}{
		{
			"a new mobile number, and what the EHR has no field for", http.MethodPatch, "/Patient/amy-shaw", patch, `W/"3"`,
			`[{"op":"replace","path":"/telecom/0/value","value":"+47 00 33 33 33"},{"op":"add","path":"/maritalStatus","value":{"text":"married"}}]`, 200, `"versionId":"4"`,
		},
		{"are read back", http.MethodGet, "/Patient/amy-shaw", "", "", "", 200, `+47 00 33 33 33`},
		{"both", http.MethodGet, "/Patient/amy-shaw", "", "", "", 200, `"maritalStatus":{"text":"married"}`},
		{"and found", http.MethodGet, "/Patient?phone=%2B47+00+33+33+33", "", "", "", 200, `Patient/amy-shaw`},
		{
			"a client that saw the version before is refused", http.MethodPatch, "/Patient/amy-shaw", patch, `W/"3"`,
			`[{"op":"replace","path":"/telecom/0/value","value":"+47 00 44 44 44"}]`, 412, "version",
		},
		{
			"an appointment is moved", http.MethodPatch, appointment, patch, "",
			`[{"op":"replace","path":"/start","value":"2026-06-04T10:00:00Z"},{"op":"replace","path":"/end","value":"2026-06-04T10:45:00Z"}]`, 200, `"end":"2026-06-04T12:45:00+02:00"`,
		},
		{"not to where the workflow does not lead", http.MethodPatch, appointment, patch, "", `[{"op":"replace","path":"/status","value":"fulfilled"}]`, 422, "Possible: arrived, cancelled, noshow"},
		{"and cancelled", http.MethodPatch, appointment, patch, "", `[{"op":"replace","path":"/status","value":"cancelled"}]`, 200, `"status":"declined"`},
		{"a message is read", http.MethodPatch, message, patch, "", `[{"op":"add","path":"/received","value":"2026-06-01T06:00:00Z"}]`, 200, `"received":"2026-06-01T08:00:00+02:00"`},
		{"once", http.MethodPatch, message, patch, "", `[{"op":"replace","path":"/received","value":"2026-06-02T06:00:00Z"}]`, 422, "Communication.received"},
		{"a refill is asked for", http.MethodPost, "/MedicationRequest", "", "", refill, 201, `"priorPrescription":{"reference":"MedicationRequest/69c133b0c11e1c0007bb577a"}`},
		{"blood pressure in the wrong unit is refused", http.MethodPost, "/Observation", "", "", strings.Replace(pressure, "UNIT", `"unit":"kPa","system":"http://unitsofmeasure.org","code":"kPa"`, 1), 422, "The unit must be mm[Hg]"},
		{"in the right one it is a document", http.MethodPost, "/Observation", "", "", strings.Replace(pressure, "UNIT", unit, 1), 201, `"value":124`},
		{"the laboratory's results are not to be changed", http.MethodPatch, "/Observation/6a194a50c11e1c0007b2494f", patch, "", `[{"op":"replace","path":"/status","value":"cancelled"}]`, 422, "belongs to the EHR"},
		{"nor anybody deleted", http.MethodDelete, "/Patient/amy-shaw", "", "", "", 405, ""},
		{"what fails in the EHR leaves no record behind", http.MethodPost, "", "", "", both("tom@example.org", "99"), 412, ""},
		{"none", http.MethodGet, "/Flag/calls", "", "", "", 404, ""},
		{"the EHR and a record change together", http.MethodPost, "", "", "", both("tom@example.org", "VERSION"), 200, "transaction-response"},
		{"one", http.MethodGet, "/Patient/tom-shaw", "", "", "", 200, "tom@example.org"},
		{"and the other", http.MethodGet, "/Flag/calls", "", "", "", 200, "calls"},
		{"the history has the current version", http.MethodGet, "/Patient/amy-shaw/_history", "", "", "", 200, `"total":1`},
	}
	for _, s := range steps {
		if before, after, ok := strings.Cut(s.body, "VERSION"); ok {
			s.body = before + versionOf(t, p, "/Patient/tom-shaw") + after
		}
		header := http.Header{"Content-Type": {"application/fhir+json"}}
		if s.kind != "" {
			header.Set("Content-Type", s.kind)
		}
		if s.match != "" {
			header.Set("If-Match", s.match)
		}
		status, answer := send(t, s.method, p.Base+s.path, header, s.body)
		if status != s.status || !strings.Contains(answer, s.says) {
			t.Errorf("%s: %d, want %d and %s:\n%.600s", s.claim, status, s.status, s.says, answer)
		}
	}
}

func versionOf(t *testing.T, p *program.Server, path string) string {
	t.Helper()
	_, answer := send(t, http.MethodGet, p.Base+path, nil, "")
	var res struct{ Meta struct{ VersionID string } }
	if err := json.Unmarshal([]byte(answer), &res); err != nil {
		t.Fatal(err)
	}
	return res.Meta.VersionID
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func send(t *testing.T, method, url string, header http.Header, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}
