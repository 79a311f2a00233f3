package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store/memory"
)

// TestTheContextCanBeRead reads with a token the patient and the encounter that it is for.
func TestTheContextCanBeRead(t *testing.T) {
	t.Parallel()
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	c := clinicConfig(authSMART)
	handler := wired(t, c, st).Handler()
	do := func(method, bearer, path, body string) *httptest.ResponseRecorder {
		return asked(t, handler, method, path, body, "Authorization", "Bearer "+bearer)
	}
	engine := backendToken(t, handler, "demo-script", "system/Encounter.cu")
	encounter := `{"resourceType":"Encounter","id":"e-88","status":"in-progress","class":{"code":"AMB"},"subject":{"reference":"Patient/amy-shaw"}}`
	if w := do(http.MethodPut, engine, "Encounter/e-88", encounter); w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	scopes, _ := scope.Parse("launch patient/*.rs")
	for name, who := range map[string]token.Authorization{
		"the patient":    {Kind: access.Patient, Actor: fhir.Key{Type: "Patient", ID: "amy-shaw"}},
		"who treats her": {Kind: access.Clinician, Actor: fhir.Key{Type: "Practitioner", ID: "dr-okafor"}},
	} {
		who.Account, who.Patient, who.Encounter, who.Scopes = "x", "amy-shaw", "e-88", scopes
		bearer := personToken(t, st, c.BaseURL, who)
		for _, path := range []string{"Patient/amy-shaw", "Encounter/e-88", who.Actor.String()} {
			if w := do(http.MethodGet, bearer, path, ""); w.Code != http.StatusOK {
				t.Errorf("C5 %s reads %s: %d %s", name, path, w.Code, w.Body)
			}
		}
	}
}
