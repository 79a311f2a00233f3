package guard_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
)

// several asks for what answers with many types.
func (o *oracle) several(t testing.TB, k *token, key fhir.Key) {
	t.Helper()
	patient := o.any("Patient")
	if k.kind == access.Patient || k.kind == access.Proxy {
		if o.rnd.IntN(2) == 0 {
			patient = k.id
		}
	}
	path := pick(o.rnd, []string{
		"Patient/" + patient + "/$everything",
		"Patient/" + patient + "/$everything?_type=Observation,Condition",
		"Patient/" + patient + "/*",
		"Patient/" + patient + "/Observation",
		"Encounter/" + o.any("Encounter") + "/$everything",
		"Practitioner/d1/*",
		"?_type=Patient,Observation",
		"Observation/$lastn?patient=" + patient + "&category=laboratory",
		"Observation?_list=" + o.any("List"),
		"_history",
		string(key.Type) + "/_history",
	})
	found, first := o.follow(t, k, path)
	o.count("several "+strings.NewReplacer(patient, "x").Replace(strings.SplitN(path, "?", 2)[0]), first.status)
	if first.status >= http.StatusInternalServerError {
		t.Errorf("%s %s: %d %s", k.describe(), path, first.status, first.body)
	}
	if path == "Patient/"+patient+"/Observation" && first.status == http.StatusOK && k.kind == access.Patient && patient == k.id {
		if want := o.visible(k, "Observation", func(key fhir.Key) bool { return o.within(key, patient) }); len(want) != len(found) {
			t.Errorf("E4 %s %s: %d, want %d", k.describe(), path, len(found), len(want))
		}
	}
	if path == "?_type=Patient,Observation" && (!k.has("Patient", "s") || !k.has("Observation", "s")) && first.status != http.StatusForbidden {
		t.Errorf("E2 %s %s: %d", k.describe(), path, first.status)
	}
}

// within reports whether an Observation is in the compartment of a patient.
func (o *oracle) within(key fhir.Key, patient string) bool {
	to := fhir.Key{Type: "Patient", ID: patient}
	return o.refers(key, []string{"subject"}, to) || o.refers(key, []string{"performer"}, to)
}

// write tries to change what is not visible: the answer is that to what never was, and
// nothing changes. What is visible is left alone, so that the world stays as it is.
func (o *oracle) write(t testing.TB, k *token, key fhir.Key) {
	t.Helper()
	letter := pick(o.rnd, []string{"u", "d"})
	if o.sees(k, key, letter) || o.sees(k, key, "r") {
		return
	}
	match := o.rnd.IntN(2) == 0
	try := func(id string) answer {
		method, content, body := "PUT", "application/fhir+json", fmt.Sprintf(`{"resourceType":%q,"id":%q}`, key.Type, id)
		if key.Type == "Observation" {
			body = fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%s"}}`, id, k.id)
		}
		switch {
		case letter == "d":
			method, body = "DELETE", ""
		case match:
			method, content, body = "PATCH", "application/json-patch+json", `[{"op":"add","path":"/language","value":"en"}]`
		}
		r := httptest.NewRequestWithContext(t.Context(), method, "/fhir/"+string(key.Type)+"/"+id, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+k.name)
		r.Header.Set("Content-Type", content)
		if match {
			r.Header.Set("If-Match", `W/"1"`)
		}
		rec := httptest.NewRecorder()
		o.handler.ServeHTTP(rec, r)
		return answer{status: rec.Code, body: rec.Body.Bytes(), header: rec.Header()}
	}
	a, b := try(key.ID), try("never-was")
	o.count("write", a.status)
	if a.status != b.status || strings.ReplaceAll(string(a.body), key.ID, "never-was") != string(b.body) || !maps.EqualFunc(stable(a.header), stable(b.header), slices.Equal) {
		t.Errorf("E9 %s writes %s (%s), and it is told apart from what never was: %d %s %v\n%d %s %v", k.describe(), key, letter, a.status, a.body, a.header, b.status, b.body, b.header)
	}
	res, err := o.inner.Read(t.Context(), key)
	if version := o.version[key]; err != nil || res.Version != version && (version != "" || res.Version != "1") {
		t.Errorf("E9 %s changed %s: it is at version %q, %v", k.describe(), key, res.Version, err)
	}
}

// batch asks for several things at once.
func (o *oracle) batch(t testing.TB, k *token) {
	t.Helper()
	var entries []string
	for range 3 {
		key := pick(o.rnd, o.keys)
		entries = append(entries, fmt.Sprintf(`{"request":{"method":"GET","url":"%s"}}`, pick(o.rnd, []string{key.String(), string(key.Type) + "?_count=3", key.String() + "/_history"})))
	}
	kind := pick(o.rnd, []string{"batch", "transaction"})
	a := o.ask(t, k, "POST", "", fmt.Sprintf(`{"resourceType":"Bundle","type":%q,"entry":[%s]}`, kind, strings.Join(entries, ",")))
	o.count(kind, a.status)
	for _, key := range a.found {
		if !o.sees(k, key, "r") && !o.sees(k, key, "s") {
			t.Errorf("E8 %s %v: shows %s", k.describe(), entries, key)
		}
	}
}
