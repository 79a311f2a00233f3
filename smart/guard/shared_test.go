package guard_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/store/memory"
)

// TestASharedAppointmentOverHTTP asks for the appointment of a group in all ways that the
// server has, as one who is in it: nothing tells of the others, and nothing that is sent
// back removes them.
func TestASharedAppointmentOverHTTP(t *testing.T) {
	t.Parallel()
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	records := &record.Repository{Store: st, Base: base}
	w := &world{now: now, bodies: make(map[fhir.Key]map[string]any), ids: make(map[fhir.Type][]string)}
	for _, body := range severals {
		if _, err := records.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: keyOf(body), Body: []byte(body)}}); err != nil {
			t.Fatal(err)
		}
	}
	c := serve(t, w, records)
	me := &token{kind: access.Patient, id: "p", scopes: "patient/*.cruds"}
	c.add(t, me)
	do := func(method, path, contentType, body string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, "/fhir/"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+me.name)
		r.Header.Set("Content-Type", contentType)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		rec := httptest.NewRecorder()
		c.handler.ServeHTTP(rec, r)
		return rec
	}
	const (
		plain = "application/fhir+json"
		patch = "application/json-patch+json"
	)
	decline := `[{"op":"test","path":"/participant/0/actor/reference","value":"Patient/p"},{"op":"replace","path":"/participant/0/status","value":"declined"}]`
	for _, step := range []struct {
		method, path, kind, body string
		want                     int
	}{
		{"GET", "Appointment/group", plain, "", 200},
		{"GET", "Appointment/group?_elements=participant", plain, "", 200},
		{"GET", "Appointment/group/_history", plain, "", 200},
		{"GET", "Appointment?_id=group&_include=Appointment:actor&_total=accurate", plain, "", 200},
		{"GET", "Appointment?actor:Patient._id=secret", plain, "", 200},
		{"GET", "Appointment?actor:RelatedPerson.patient=Patient/secret", plain, "", 200},
		{"GET", "Patient?_id=p&_revinclude=Appointment:actor", plain, "", 200},
		{"GET", "Patient?_has:Appointment:actor:part-status=declined", plain, "", 200},
		{"GET", "Practitioner?_has:Appointment:actor:actor=Patient/secret&_total=accurate", plain, "", 200},
		{"POST", "", plain, `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Appointment/group"}},{"request":{"method":"GET","url":"Appointment?part-status=tentative"}}]}`, 200},
		{"PATCH", "Appointment/group", patch, `[{"op":"test","path":"/participant/0/actor/reference","value":"Patient/secret"}]`, 422},
		{"PATCH", "Appointment/group", patch, `[{"op":"test","path":"/participant/8/status","value":"accepted"}]`, 422},
		{"PATCH", "Appointment/group", patch, `[{"op":"remove","path":"/participant/1"}]`, 422},
		{"PATCH", "Appointment/group", patch, `[{"op":"replace","path":"/status","value":"cancelled"}]`, 422},
		{"PATCH", "Appointment?actor=Patient/secret", patch, decline, 404},
		{"PATCH", "Appointment/group", patch, decline, 200},
		{"PATCH", "Appointment?actor=Patient/p&status=booked&_id=group", patch, strings.Replace(decline, "declined", "tentative", 1), 200},
		{"DELETE", "Appointment?actor=Patient/secret", plain, "", 204},
		{"DELETE", "Appointment/group", plain, "", 403},
	} {
		a := do(step.method, step.path, step.kind, step.body)
		if told := strings.NewReplacer("actor=Patient/secret", "", "_id=secret", "", "patient=Patient/secret", "").Replace(a.Body.String()); a.Code != step.want || strings.Contains(told, "secret") {
			t.Errorf("E9 %s %s: %d, want %d: %s", step.method, step.path, a.Code, step.want, a.Body)
		}
		if asks := step.method == "GET" && strings.Contains(step.path, "ecret") || strings.Contains(step.path, "part-status"); asks && strings.Contains(a.Body.String(), `"entry"`) {
			t.Errorf("E9 GET %s finds something: %s", step.path, a.Body)
		}
	}
	res, err := records.Read(t.Context(), fhir.Key{Type: "Appointment", ID: "group"})
	if err != nil || res.Version != "3" {
		t.Fatalf("E10 it is at version %s, %v", res.Version, err)
	}
	var is struct {
		Participant []struct {
			Actor  struct{ Reference string }
			Status string
		}
		Meta struct{ Tag, Security []any }
	}
	if err := json.Unmarshal(res.Body, &is); err != nil || len(is.Participant) != 9 || is.Participant[1].Status != "tentative" || is.Participant[0].Status != "declined" || is.Meta.Tag != nil || is.Meta.Security != nil {
		t.Errorf("E10 it is now %s, %v", res.Body, err)
	}
	seen := do(http.MethodGet, "Appointment/group", plain, "")
	tx := `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + seen.Body.String() + `,"request":{"method":"PUT","url":"Appointment/group","ifMatch":"W/\"3\""}}]}`
	if a := do(http.MethodPost, "", plain, tx, "Prefer", "return=representation"); a.Code != http.StatusOK || strings.Contains(a.Body.String(), "secret") {
		t.Errorf("E8 a transaction that changes nothing: %d %s", a.Code, a.Body)
	}
	if again, err := records.Read(t.Context(), res.Key); err != nil || again.Version != "3" {
		t.Errorf("E8 it is at version %s, %v", again.Version, err)
	}
}
