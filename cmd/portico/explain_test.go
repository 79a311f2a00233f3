package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store/memory"
)

func TestSearchesAreExplainedBesideTheirAnswer(t *testing.T) {
	t.Parallel()
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	h := wired(t, clinicConfig(authOff), st).Handler()
	get := func(path string, headers ...string) (int, string) {
		w := asked(t, h, http.MethodGet, path, "", headers...)
		return w.Code, w.Body.String()
	}
	const explain = "X-Portico-Explain"
	for query, want := range map[string][]string{
		"Observation?patient=amy-shaw&category=vital-signs&_count=3": {"clinic.vitals_labs", "a rule of the chart map"},
		"Observation?subject:Patient.family=shaw":                    {"clinic.patients", "clinic.vitals_labs"},
		"Basic?code=amy-shaw&_total=accurate":                        {"find   Basic", "count  Basic", "The index decides what matches."},
		"?_type=Patient,Basic&_count=2":                              {"clinic.patients"},
	} {
		status, body := get(query, explain, "true")
		var bundle struct {
			Entry []struct {
				Resource struct {
					Issue []struct {
						Severity string
						Details  struct{ Text string }
					}
				}
				Search struct{ Mode string }
			}
		}
		if err := json.Unmarshal([]byte(body), &bundle); err != nil || status != 200 || len(bundle.Entry) == 0 {
			t.Fatalf("%s: %d, %v: %s", query, status, err, body)
		}
		last := bundle.Entry[len(bundle.Entry)-1]
		if last.Search.Mode != "outcome" || len(last.Resource.Issue) != 1 || last.Resource.Issue[0].Severity != "information" {
			t.Errorf("%s: the last entry is %+v", query, last)
			continue
		}
		plan := last.Resource.Issue[0].Details.Text
		for _, part := range want {
			if !strings.Contains(plan, part) {
				t.Errorf("%s: no %q in\n%s", query, part, plan)
			}
		}
		for _, secret := range []string{"amy-shaw", "shaw", "Shaw", "portico_parameters", "SearchParameter"} {
			if strings.Contains(plan, secret) {
				t.Errorf("%s: the plan tells of %q:\n%s", query, secret, plan)
			}
		}
	}
	if _, body := get("Observation?patient=amy-shaw&_count=1"); strings.Contains(body, "OperationOutcome") {
		t.Error("a search is explained that nobody asked to be")
	}
	for claim, request := range map[string][]string{
		"a read":                          {"Patient/amy-shaw", explain, "true"},
		"another value":                   {"Patient", explain, "1"},
		"a search that is answered later": {"Patient", explain, "true", "Prefer", "respond-async"},
	} {
		status, body := get(request[0], request[1:]...)
		if status < 400 || status > 499 {
			t.Errorf("%s with the header: %d %s", claim, status, body)
		}
	}
}

func TestSearchesAreExplainedToThoseWhoMaySearchEverything(t *testing.T) {
	t.Parallel()
	c := defaultConfig()
	c.Auth = "smart"
	explain := explainer(&c, nil)
	with := func(kind access.Kind, scopes string) context.Context {
		set, bad := scope.Parse(scopes)
		if len(bad) > 0 {
			t.Fatal(bad)
		}
		return access.With(t.Context(), &access.Access{Kind: kind, Scopes: set})
	}
	for claim, tt := range map[string]struct {
		ctx context.Context
		may bool
	}{
		"nobody":                                {t.Context(), false},
		"a backend service":                     {with(access.System, "system/*.rs"), true},
		"one of SMART 1":                        {with(access.System, "system/*.read"), true},
		"one that may search some types":        {with(access.System, "system/Patient.rs system/Observation.rs"), false},
		"one that may not search":               {with(access.System, "system/*.r"), false},
		"one that may see some of everything":   {with(access.System, "system/*.rs?_tag=x"), false},
		"a clinician with the scope of another": {with(access.Clinician, "system/*.rs"), false},
		"a clinician":                           {with(access.Clinician, "user/*.rs"), false},
		"a patient":                             {with(access.Patient, "patient/*.rs"), false},
	} {
		_, _, err := explain(tt.ctx)
		var e *fhir.Error
		if forbidden := errors.As(err, &e) && e.Code() == fhir.CodeForbidden; forbidden == tt.may || (err == nil) != tt.may {
			t.Errorf("%s: %v", claim, err)
		}
	}
}
