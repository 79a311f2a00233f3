package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store/memory"
)

// TestG1_4_PurgesAreForOperators asks as everybody there is to remove the old versions of a
// resource that they all may see.
func TestG1_4_PurgesAreForOperators(t *testing.T) {
	t.Parallel()
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	c := clinicConfig(authSMART)
	c.Write.Purge, c.SMART.Operators = true, []string{"demo-script", "demo-public"}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	handler := wired(t, c, st).Handler()
	another := client.Client{ID: "another", Name: "Another", Kind: client.Secret, Grants: []string{client.ClientCredentials}}
	another.Scopes, _ = scope.Parse("system/*.cruds")
	var err error
	if another.SecretHash, err = client.HashSecret(demoSecret); err != nil {
		t.Fatal(err)
	}
	if err := (&client.Registry{Store: st}).Add(t.Context(), &another); err != nil {
		t.Fatal(err)
	}
	do := func(token, method, path, body string) *httptest.ResponseRecorder {
		if token == "" {
			return asked(t, handler, method, path, body)
		}
		return asked(t, handler, method, path, body, "Authorization", "Bearer "+token)
	}
	operator := backendToken(t, handler, "demo-script", "system/*.cruds")
	condition := func(text string) string {
		return `{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/amy-shaw"},"code":{"text":"` + text + `"}}`
	}
	for _, text := range []string{"one", "two", "three"} {
		if w := do(operator, http.MethodPut, "Condition/c", condition(text)); w.Code > 299 {
			t.Fatal(w.Body)
		}
	}
	everything, _ := scope.Parse("patient/*.cruds user/*.cruds system/*.cruds")
	person := func(kind access.Kind, who, patient string) string {
		typ, id, _ := strings.Cut(who, "/")
		return personToken(t, st, c.BaseURL, token.Authorization{Kind: kind, Account: "x", Actor: fhir.Key{Type: fhir.Type(typ), ID: id}, Patient: patient, Scopes: everything})
	}
	const purge = "Condition/c/$purge?before=2999-01-01T00:00:00Z"
	for claim, tt := range map[string]struct {
		token, path string
		want        int
	}{
		"nobody": {"", purge, http.StatusUnauthorized},
		"the patient, by an app whose id is an operator's": {person(access.Patient, "Patient/amy-shaw", "amy-shaw"), purge, http.StatusForbidden},
		"who treats the patient":                           {person(access.Clinician, "Practitioner/dr-okafor", ""), purge, http.StatusForbidden},
		"a service that is not listed":                     {backendToken(t, handler, "another", "system/*.cruds"), purge, http.StatusForbidden},
		"an operator who may not delete":                   {backendToken(t, handler, "demo-script", "system/*.crus"), purge, http.StatusForbidden},
		"an operator who may delete some":                  {backendToken(t, handler, "demo-script", "system/Condition.cruds?category=x"), purge, http.StatusForbidden},
		"an operator, of the trail":                        {operator, "AuditEvent/a/$purge?before=2999-01-01T00:00:00Z", http.StatusForbidden},
		"an operator, of what is not there":                {operator, strings.Replace(purge, "/c/", "/none/", 1), http.StatusNotFound},
		"not listed, of what is not there":                 {backendToken(t, handler, "another", "system/*.cruds"), strings.Replace(purge, "/c/", "/none/", 1), http.StatusForbidden},
	} {
		if w := do(tt.token, http.MethodPost, tt.path, ""); w.Code != tt.want {
			t.Errorf("%s: %d, want %d: %s", claim, w.Code, tt.want, w.Body)
		}
		batch := do(tt.token, http.MethodPost, "", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"POST","url":"`+tt.path+`"}}]}`)
		if tt.token != "" && (batch.Code != http.StatusOK || strings.Contains(batch.Body.String(), `"status":"200`)) {
			t.Errorf("%s, in a batch: %d %s", claim, batch.Code, batch.Body)
		}
	}
	if w := do(operator, http.MethodGet, "Condition/c/_history/1", ""); w.Code != http.StatusOK {
		t.Fatalf("a version is gone: %d %s", w.Code, w.Body)
	}
	var said struct {
		Parameter []struct {
			Name         string
			ValueInteger int
		}
	}
	w := do(operator, http.MethodPost, purge, "")
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != http.StatusOK || said.Parameter[0].ValueInteger != 2 {
		t.Fatalf("an operator: %d %s", w.Code, w.Body)
	}
	if w := do(operator, http.MethodGet, "Condition/c/_history/1", ""); w.Code != http.StatusNotFound {
		t.Errorf("a version stays: %d %s", w.Code, w.Body)
	}
	if w := do(operator, http.MethodGet, "AuditEvent?action=D", ""); !strings.Contains(w.Body.String(), `"display":"client demo-script"`) || !strings.Contains(w.Body.String(), `"outcome":"0"`) {
		t.Errorf("who did it is not recorded: %s", w.Body)
	}
}

func TestG1_4_APurgeThatNobodyMayUseIsAFault(t *testing.T) {
	t.Parallel()
	c := defaultConfig()
	c.Write.Purge = true
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "smart.operators") {
		t.Errorf("got %v", err)
	}
}
