package guard_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/store/memory"
)

// TestWithoutAScopeItIs403WhateverIsAsked sends what is wrong in other ways, too.
func TestWithoutAScopeItIs403WhateverIsAsked(t *testing.T) {
	t.Parallel()
	c := open(t, newWorld(1, 10, 1), memory.New())
	c.add(t, &token{kind: access.Patient, id: "p1", scopes: "patient/Flag.cruds patient/Observation.s"})
	for _, ask := range []struct{ method, path, body string }{
		{"GET", "Condition/x", ""},
		{"GET", "Condition/x?_summary=nonsense", ""},
		{"GET", "Condition/x/_history/1", ""},
		{"GET", "Condition/x/_history?_count=nonsense", ""},
		{"GET", "Condition/_history", ""},
		{"GET", "Condition?nonsense=1", ""},
		{"GET", "Condition?_cursor=x", ""},
		{"GET", "Condition?subject.nonsense=1", ""},
		{"GET", "Patient/p1/Condition?nonsense=1", ""},
		{"POST", "Condition", "{"},
		{"POST", "Condition", ""},
		{"POST", "Condition", `{"resourceType":"Condition"}`},
		{"PUT", "Condition/x", `{"resourceType":"Flag","id":"y"}`},
		{"PUT", "Condition?nonsense=1", "{"},
		{"PATCH", "Condition/x", "nonsense"},
		{"DELETE", "Condition/x", ""},
		{"DELETE", "Condition?nonsense=1", ""},
		{"GET", "Observation/x", ""},
		{"PUT", "Observation/x", "{"},
		{"GET", "Observation?subject:Patient.name=x", ""},
		{"GET", "Observation?_has:Condition:evidence-detail:code=x", ""},
	} {
		r := httptest.NewRequestWithContext(t.Context(), ask.method, "/fhir/"+ask.path, strings.NewReader(ask.body))
		r.Header.Set("Authorization", "Bearer t0")
		r.Header.Set("If-Match", "nonsense")
		rec := httptest.NewRecorder()
		c.handler.ServeHTTP(rec, r)
		if rec.Code != http.StatusForbidden || !strings.Contains(rec.Body.String(), `"forbidden"`) {
			t.Errorf("E2 %s %s: %d %s", ask.method, ask.path, rec.Code, rec.Body)
		}
	}
}
