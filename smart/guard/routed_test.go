package guard_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
)

// TestEveryTypeByEveryInteraction asks for a resource of each type about another
// patient: without a token, without a scope, and with both.
func TestEveryTypeByEveryInteraction(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.proxy(t, "p", "child")
	f.put(t, `{"resourceType":"CareTeam","id":"treats","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/d"}}]}`)
	people := map[string]func(string) context.Context{
		"a patient": func(scopes string) context.Context { return as(t, access.Patient, "Patient/p", "p", "patient/"+scopes) },
		"a proxy": func(scopes string) context.Context {
			return as(t, access.Proxy, "RelatedPerson/r", "p", "patient/"+scopes)
		},
		"a clinician": func(scopes string) context.Context {
			return as(t, access.Clinician, "Practitioner/d", "", "user/"+scopes)
		},
		"a system": func(scopes string) context.Context { return as(t, access.System, "", "", "system/"+scopes) },
	}
	for _, typ := range fhir.Types() {
		body := map[string]any{"resourceType": string(typ), "id": "anothers"}
		if rule := f.Policy.Record[typ]; rule != nil && !rule.Self {
			put(body, rule.Path(), map[string]any{"reference": "Patient/q"})
		}
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		key := fhir.Key{Type: typ, ID: "anothers"}
		if _, err := f.records.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: raw}}); err != nil {
			t.Fatal(err)
		}
		other := "Flag"
		if typ == "Flag" {
			other = "Basic"
		}
		for who, person := range people {
			for name, do := range interactions(f, key, raw) {
				if err := do(t.Context(), key); code(err) != fhir.CodeLogin {
					t.Errorf("E1 %s %s without a token: %v", name, typ, err)
				}
				if err := do(person(other+".cruds"), key); code(err) != fhir.CodeForbidden {
					t.Errorf("E2 %s %s by %s without the scope: %v", name, typ, who, err)
				}
				if who == "a system" {
					continue
				}
				class := f.Policy.Class(typ)
				got, never := do(person(string(typ)+".cruds"), key), do(person(string(typ)+".cruds"), fhir.Key{Type: typ, ID: "never"})
				switch {
				case class == policy.Shared && (name == "read" || name == "vread" || name == "history"):
					if got != nil {
						t.Errorf("E5 %s %s by %s: %v", name, typ, who, got)
					}
				case class == policy.Shared:
					if code(got) != fhir.CodeForbidden && name != "delete" {
						t.Errorf("E10 %s %s by %s: %v", name, typ, who, got)
					}
				case told(key, nil, got) != told(fhir.Key{Type: typ, ID: "never"}, nil, never):
					t.Errorf("E9 %s %s by %s: %v, but %v of what never was", name, typ, who, got, never)
				}
			}
			if page, err := f.Search(person(string(typ)+".s"), &fhir.Query{Type: typ, Count: 5, Total: true}); who != "a system" && f.Policy.Class(typ) != policy.Shared {
				own := 0
				if typ == "CareTeam" && who != "a proxy" {
					own = 1
				}
				if err != nil || len(page.Resources) != own || *page.Total != int64(own) {
					t.Errorf("E9 searching %s by %s: %d of %v, %v", typ, who, len(page.Resources), page.Total, err)
				}
			}
		}
		if res, err := f.records.Read(t.Context(), key); err != nil || res.Version != "1" {
			t.Errorf("E10 %s was changed: version %s, %v", typ, res.Version, err)
		}
	}
}

// interactions are those with one resource.
func interactions(f *fixture, key fhir.Key, body []byte) map[string]func(context.Context, fhir.Key) error {
	commit := func(ctx context.Context, change fhir.Change) error {
		_, err := f.Commit(ctx, []fhir.Change{change})
		return err
	}
	return map[string]func(context.Context, fhir.Key) error{
		"read":  func(ctx context.Context, key fhir.Key) error { _, err := f.Read(ctx, key); return err },
		"vread": func(ctx context.Context, key fhir.Key) error { _, err := f.Version(ctx, key, "1"); return err },
		"history": func(ctx context.Context, key fhir.Key) error {
			_, err := f.History(ctx, fhir.HistoryQuery{Key: key, Count: 5})
			return err
		},
		"put": func(ctx context.Context, key fhir.Key) error {
			return commit(ctx, fhir.Change{Method: fhir.Put, Key: key, Body: body})
		},
		"patch": func(ctx context.Context, key fhir.Key) error {
			return commit(ctx, fhir.Change{Method: fhir.Patch, Key: key, Body: body, IfMatch: "1"})
		},
		"delete": func(ctx context.Context, key fhir.Key) error {
			return commit(ctx, fhir.Change{Method: fhir.Delete, Key: key})
		},
	}
}
