package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// A patient's change that the clinic wants to look at first is answered so, and written when somebody accepted it.
func TestAPatientsChangeWaitsForTheClinic(t *testing.T) {
	t.Parallel()
	chart := strings.Replace(string(clinic.ChartMap()), "  transitions:                                 # who may move an appointment", "  review: [comment]\n  transitions:                                 # who may move an appointment", 1)
	path := filepath.Join(t.TempDir(), "chart.yaml")
	if err := os.WriteFile(path, []byte(chart), 0o600); err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	server := func(auth string) http.Handler {
		c := clinicConfig(auth)
		c.Chart = path
		return wired(t, c, st).Handler()
	}
	apps, clinics := server(authSMART), server(authOff)
	scopes, _ := scope.Parse("launch/patient patient/*.rus")
	amy := "Bearer " + personToken(t, st, "http://localhost:8080", token.Authorization{
		Kind: access.Patient, Account: "amy", Actor: fhir.Key{Type: "Patient", ID: "amy-shaw"}, Patient: "amy-shaw", Scopes: scopes,
	})
	do := func(h http.Handler, bearer, method, path, body string, want int) string {
		t.Helper()
		var headers []string
		if bearer != "" {
			headers = []string{"Authorization", bearer}
			if method == http.MethodPut {
				headers = append(headers, "Idempotency-Key", strconv.Itoa(len(body)))
			}
		}
		w := asked(t, h, method, path, body, headers...)
		if w.Code != want {
			t.Fatalf("%s %s gives %d, want %d: %s", method, path, w.Code, want, w.Body)
		}
		return w.Body.String()
	}
	edited := func(body string, edit func(m map[string]any)) string {
		t.Helper()
		var m map[string]any
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatal(err)
		}
		edit(m)
		out, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	var found struct {
		Entry []struct{ Resource json.RawMessage }
	}
	first := func(body string) (resource, id string) {
		t.Helper()
		var key struct{ ID string }
		if err := json.Unmarshal([]byte(body), &found); err != nil || len(found.Entry) != 1 || json.Unmarshal(found.Entry[0].Resource, &key) != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return string(found.Entry[0].Resource), key.ID
	}
	_, id := first(do(apps, amy, "GET", "Appointment?status=booked&_count=1", "", http.StatusOK))
	appointment := "Appointment/" + id
	before := do(apps, amy, "GET", appointment, "", http.StatusOK)
	wanted := edited(before, func(m map[string]any) { m["status"], m["comment"] = "cancelled", "I will be away" })
	for range 2 { // the second time it is the same request
		if told := do(apps, amy, "PUT", appointment, wanted, http.StatusAccepted); !strings.Contains(told, "Nothing has been changed yet") || !strings.Contains(told, "Task/") {
			t.Error(told)
		}
	}
	if after := do(apps, amy, "GET", appointment, "", http.StatusOK); after != before {
		t.Errorf("was changed at once: %s", after)
	}
	config := defaultConfig()
	config.Chart, config.BaseURL = path, "http://localhost:8080"
	at := reviewing{config: config}
	says := func(e errand, want ...string) string {
		t.Helper()
		said, err := e.carryOut(t.Context(), &office{store: st, log: slog.New(slog.DiscardHandler)})
		if err != nil {
			said = err.Error()
		}
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%T says %q, and not %q", e, said, w)
			}
		}
		return said
	}
	list := says(&listReviews{at}, "update Appointment/"+id, "comment", "Patient/amy-shaw", "requested")
	lines := strings.Split(strings.TrimSpace(list), "\n")
	if len(lines) != 2 {
		t.Fatalf("%q", list)
	}
	waits, _, _ := strings.Cut(lines[1], " ")
	says(&showReview{at, waits}, `+ "I will be away"`, `+ "cancelled"`)
	says(&decideReview{at, waits, "rejected", "Call us"}, "rejected: update Appointment/"+id)
	says(&decideReview{at, waits, "completed", ""}, "This was decided: it is rejected.")
	says(&decideReview{at, "none", "rejected", ""}, "nothing waits as Task/none")
	if list := says(&listReviews{at}); strings.Contains(list, waits) {
		t.Error(list)
	}
	wanted = edited(before, func(m map[string]any) { m["status"], m["comment"] = "cancelled", "I will be away then" })
	do(apps, amy, "PUT", appointment, wanted, http.StatusAccepted)
	task, id := first(do(clinics, "", "GET", "Task?code=https://portico-fhir.github.io/CodeSystem/task%7Creview&status=requested&patient=amy-shaw", "", http.StatusOK))
	do(clinics, "", "PUT", "Task/"+id, edited(task, func(m map[string]any) { m["status"] = "completed" }), http.StatusOK)
	if after := do(apps, amy, "GET", appointment, "", http.StatusOK); !strings.Contains(after, "I will be away then") || !strings.Contains(after, `"cancelled"`) {
		t.Errorf("was not changed: %s", after)
	}
	says(&decideReview{at, id, "rejected", ""}, "This was decided: it is completed.")
}
