package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
)

func testServer() *Server {
	return &Server{
		Base: "http://localhost:8080/fhir", Version: "1.2.3", Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Open: true,
		Describe: func(t fhir.Type) fhir.Capability {
			switch t {
			case "Patient":
				return fhir.Capability{Read: true, Search: true, Params: search.Params(t)[:2], Sortable: []string{"_id"}, Versioning: "no-version", Source: "In clinic.patients."}
			case "Basic":
				return fhir.Capability{
					Read: true, VRead: true, HistoryInstance: true, Create: true, Update: true, UpdateCreate: true, Delete: true, Search: true,
					Params: search.Params(t), Versioning: "versioned",
				}
			default:
				return fhir.Capability{}
			}
		},
	}
}

func TestStatement(t *testing.T) {
	t.Parallel()
	s := testServer()
	body, err := s.Statement("full")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("G6 the statement is a valid resource", func(t *testing.T) {
		t.Parallel()
		if _, err := (&schema.Validator{}).Validate(body, "CapabilityStatement"); err != nil {
			t.Errorf("%v in %s", err, body)
		}
	})
	t.Run("G6 each type declares what the repository describes", func(t *testing.T) {
		t.Parallel()
		var got statement
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		var types []fhir.Type
		for _, r := range got.Rest[0].Resource {
			types = append(types, r.Type)
		}
		if diff := cmp.Diff([]fhir.Type{"Basic", "Patient"}, types); diff != "" {
			t.Fatal(diff)
		}
		want := resource{
			Type: "Patient", Documentation: "In clinic.patients. _sort takes _id.", Versioning: "no-version",
			Interaction: []interaction{{"read"}, {"search-type"}}, ConditionalRead: "full-support", ConditionalDelete: "not-supported",
		}
		for _, p := range search.Params("Patient")[:2] {
			want.SearchParam = append(want.SearchParam, searchParam{Name: p.Name, Definition: p.URL, Type: p.Type})
		}
		want.SearchParam = append(want.SearchParam, filter("Patient"))
		want.Operation = []operated{
			{"meta", "http://hl7.org/fhir/OperationDefinition/Resource-meta", "Invoked on one resource."},
			{"validate", "http://hl7.org/fhir/OperationDefinition/Resource-validate", "Invoked on the type, or on one resource."},
		}
		if diff := cmp.Diff(want, got.Rest[0].Resource[1]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("G7.16 _filter is declared where there are parameters to combine", func(t *testing.T) {
		t.Parallel()
		declared := func(c fhir.Capability) bool {
			r, _ := s.describe("Patient", c)
			return slices.ContainsFunc(r.SearchParam, func(p searchParam) bool { return p.Name == "_filter" && p.Type == fhir.ParamSpecial })
		}
		if params := search.Params("Patient")[:1]; !declared(fhir.Capability{Search: true, Params: params}) || declared(fhir.Capability{Search: true}) || declared(fhir.Capability{Read: true, Params: params}) {
			t.Error("_filter is not declared where it works, or elsewhere")
		}
	})
	t.Run("G6 compartments and searches on several types are declared where they work", func(t *testing.T) {
		t.Parallel()
		var got statement
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		// Basic.patient is offered; nothing is known of the others' resources.
		if diff := cmp.Diff([]string{"http://hl7.org/fhir/CompartmentDefinition/patient"}, got.Rest[0].Compartment); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]interaction{{"search-system"}}, got.Rest[0].Interaction); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("G6 the same server always says the same", func(t *testing.T) {
		t.Parallel()
		again, err := testServer().Statement("full")
		if err != nil || !bytes.Equal(body, again) || ETag(body) != ETag(again) {
			t.Errorf("%v, or another statement", err)
		}
	})
	t.Run("G6 normative leaves out trial-use types", func(t *testing.T) {
		t.Parallel()
		body, err := s.Statement("normative")
		if err != nil || !bytes.Contains(body, []byte(`"Patient"`)) || bytes.Contains(body, []byte(`"Basic"`)) {
			t.Errorf("%v: %s", err, body)
		}
	})
	t.Run("A10 the authorization server's endpoints are in the statement", func(t *testing.T) {
		t.Parallel()
		closed := testServer()
		closed.Open, closed.OAuth = false, &OAuth{Authorize: "https://ehr.example.org/auth/authorize", Token: "https://ehr.example.org/auth/token"}
		body, err := closed.Statement("full")
		if err != nil {
			t.Fatal(err)
		}
		want := `"security":{"extension":[{"url":"http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris","extension":[` +
			`{"url":"authorize","valueUri":"https://ehr.example.org/auth/authorize"},{"url":"token","valueUri":"https://ehr.example.org/auth/token"}]}]`
		if !bytes.Contains(body, []byte(want)) || !bytes.Contains(body, []byte(`"code":"SMART-on-FHIR"`)) {
			t.Errorf("%s does not contain %s", body, want)
		}
		if _, err := (&schema.Validator{}).Validate(body, "CapabilityStatement"); err != nil {
			t.Error(err)
		}
	})
	t.Run("G6 operations on the whole server are declared", func(t *testing.T) {
		t.Parallel()
		s := testServer()
		s.Operations = &operation.Operations{More: []operation.Definition{{Code: "mine", URL: "http://example.org/mine", Run: func(context.Context, operation.Call) (operation.Result, error) { return operation.Result{}, nil }}}}
		body, err := s.Statement("full")
		if err != nil || !bytes.Contains(body, []byte(`"operation":[{"name":"mine","definition":"http://example.org/mine","documentation":"Invoked on the whole server."}]`)) {
			t.Errorf("%v: %s", err, body)
		}
	})
	t.Run("an open server says so", func(t *testing.T) {
		t.Parallel()
		closed := testServer()
		closed.Open = false
		other, err := closed.Statement("full")
		if err != nil || !bytes.Contains(body, []byte("Authorization is off")) || bytes.Contains(other, []byte("Authorization is off")) {
			t.Errorf("%v: %s", err, other)
		}
	})
}

func TestNormativeTypesExist(t *testing.T) {
	t.Parallel()
	if i := slices.IndexFunc(normative(), func(n fhir.Type) bool { return !n.Valid() }); i >= 0 {
		t.Errorf("%s is no type", normative()[i])
	}
}
