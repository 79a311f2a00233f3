package guard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/bundle"
	"github.com/portico-fhir/portico/fhir/join"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/rest"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/terminology"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/guard"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store"
)

// fakeGrants are grants that always have effect.
type fakeGrants map[string]policy.Effective

func (g fakeGrants) Live(_ context.Context, id string) (policy.Effective, bool, error) {
	e, ok := g[id]
	return e, ok, nil
}

// clinic is a world behind a guard and a server, and those who ask it.
type clinic struct {
	*world
	tokens  []*token
	access  map[string]*access.Access
	grants  fakeGrants
	guard   *guard.Repository
	inner   fhir.Repository
	handler http.Handler
}

// open puts a world into a store, and a guard and a server before it.
func open(t testing.TB, w *world, st store.Store) *clinic {
	t.Helper()
	records := &record.Repository{Store: st, Base: base, Now: func() time.Time { return now }}
	var changes []fhir.Change
	for _, key := range w.keys {
		changes = append(changes, fhir.Change{Method: fhir.Put, Key: key, Body: w.json(key)})
	}
	for some := range slices.Chunk(changes, 100) {
		if _, err := records.Commit(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	return serve(t, w, records)
}

// serve puts a guard and a server before the repository of a world.
func serve(t testing.TB, w *world, inner fhir.Repository) *clinic {
	t.Helper()
	clock := func() time.Time { return w.now }
	c := &clinic{world: w, inner: inner, access: make(map[string]*access.Access), grants: make(fakeGrants)}
	data, err := policy.Default()
	if err != nil {
		t.Fatal(err)
	}
	c.guard = &guard.Repository{
		Inner: inner, Policy: data, Grants: c.grants, Base: base, NewID: record.NewID, Now: clock,
	}
	repo := &terminology.Repository{Repository: &join.Repository{Inner: c.guard, Base: base}, Base: base}
	cursors, err := search.NewCursors(make([]byte, 32), clock)
	if err != nil {
		t.Fatal(err)
	}
	parser := &search.Parser{Base: base, Describe: repo.Describe, Cursors: cursors, DefaultCount: 20, MaxCount: 200}
	server := &rest.Server{
		Base: base, Repository: repo, Search: parser, Validator: &schema.Validator{Base: base},
		Bundles: &bundle.Processor{NewID: record.NewID},
		Metadata: func(mode string) (rest.Statement, bool) {
			return rest.Statement{Body: []byte("{}"), ETag: `"1"`}, mode == "full"
		},
		Now: clock, Limits: rest.Limits{Timeout: patience.Limit},
		Authenticate: func(ctx context.Context, h http.Header) (context.Context, rest.Caller, error) {
			name, err := rest.Bearer(h)
			if err != nil {
				return nil, rest.Caller{}, err
			}
			a := c.access[name]
			return access.With(ctx, a), rest.Caller{Name: a.Caller()}, nil
		},
	}
	c.handler = server.Handler()
	return c
}

// add makes somebody who asks.
func (c *clinic) add(t testing.TB, k *token) {
	t.Helper()
	k.name = fmt.Sprintf("t%d", len(c.tokens))
	set, bad := scope.Parse(k.scopes)
	if bad != nil {
		t.Fatal(bad)
	}
	a := &access.Access{Kind: k.kind, Scopes: set, Account: "account-" + k.name, Client: "app", Token: k.name}
	switch k.kind {
	case access.Patient:
		a.Actor, a.Patient = fhir.Key{Type: "Patient", ID: k.id}, k.id
	case access.Proxy:
		a.Actor, a.Patient, a.Grant = fhir.Key{Type: "RelatedPerson", ID: k.actor}, k.id, "grant-"+k.name
		if k.column != "" {
			birth := map[string]string{"child": "2022-01-01", "limited": "2012-01-01"}[k.column]
			g := policy.Grant{ID: a.Grant, Proxy: a.Actor, Patient: k.id, Basis: "parental", Active: true}
			e, ok := c.guard.Policy.Effective(g, policy.Subject{Birth: birth}, now, time.UTC)
			if !ok || e.Column != k.column {
				t.Fatalf("the grant opens %q", e.Column)
			}
			c.grants[a.Grant] = e
		}
	case access.Clinician:
		a.Actor, a.Patient = fhir.Key{Type: "Practitioner", ID: k.id}, k.inside
	}
	c.access[k.name] = a
	c.tokens = append(c.tokens, k)
}

// populate makes tokens of all kinds.
func (c *clinic) populate(t testing.TB) {
	t.Helper()
	types := []string{"Observation", "Condition", "Patient", "Encounter", "Appointment", "Communication", "Practitioner", "DocumentReference", "Provenance", "Device", "Consent", "RelatedPerson", "List"}
	scopes := func(context string) string {
		switch c.rnd.IntN(5) {
		case 0:
			return context + "/*.rs"
		case 1:
			return context + "/*.read launch openid"
		case 2:
			return context + "/Observation.rs?category=" + pick(c.rnd, []string{"laboratory", "http://x.example|vital-signs", "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"}) +
				" " + context + "/Observation.r?category=survey&code=a " + context + "/Condition.s?category=imaging " + context + "/Patient.rs " + context + "/Practitioner.s"
		default:
			var all []string
			for range 1 + c.rnd.IntN(8) {
				all = append(all, context+"/"+pick(c.rnd, types)+"."+pick(c.rnd, []string{"r", "s", "rs", "cruds", "read", "*", "cud", "write"}))
			}
			return strings.Join(all, " ")
		}
	}
	for range 12 {
		c.add(t, &token{kind: access.Patient, id: c.any("Patient"), scopes: scopes("patient")})
		c.add(t, &token{kind: access.Proxy, id: c.any("Patient"), actor: c.any("RelatedPerson"), column: pick(c.rnd, []string{"child", "limited", ""}), scopes: scopes("patient")})
		c.add(t, &token{kind: access.Clinician, id: c.any("Practitioner"), scopes: scopes("user")})
	}
	c.add(t, &token{kind: access.Patient, id: c.patient[0], scopes: "user/*.rs system/*.rs"})
	c.add(t, &token{kind: access.Patient, id: c.patient[0], scopes: "system/*.cruds"})
	c.add(t, &token{kind: access.Clinician, id: "d1", inside: c.patient[1], scopes: "patient/*.rs user/Observation.s"})
	c.add(t, &token{kind: access.Clinician, id: "nobody", scopes: "user/*.rs"})
	c.add(t, &token{kind: access.System, scopes: "system/*.rs"})
	c.add(t, &token{kind: access.System, scopes: "system/Observation.rs?category=laboratory system/Patient.s patient/*.rs"})
}

// answer is what came back.
type answer struct {
	status int
	body   []byte
	header http.Header
	found  []fhir.Key        // matches of a Bundle, or the resource
	shared []json.RawMessage // of these, those that may be of several records
	added  []fhir.Key        // what it includes
	total  *int
	next   string
}

// named is as much of a resource as the test looks at.
type named struct {
	ResourceType fhir.Type `json:"resourceType"`
	ID           string    `json:"id"`
}

// found is as much of a Bundle.
type found struct {
	Total *int `json:"total"`
	Link  []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
	Entry []struct {
		Resource json.RawMessage `json:"resource"`
		Search   struct {
			Mode string `json:"mode"`
		} `json:"search"`
	} `json:"entry"`
}

func (c *clinic) ask(t testing.TB, k *token, method, path, body string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/fhir/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+k.name)
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	rec := httptest.NewRecorder()
	c.handler.ServeHTTP(rec, r)
	a := answer{status: rec.Code, body: rec.Body.Bytes(), header: rec.Header()}
	a.collect(t, a.body)
	return a
}

// collect gathers the keys of what was sent, Bundles within Bundles included.
func (a *answer) collect(t testing.TB, body []byte) {
	t.Helper()
	r := decode[named](t, body)
	switch {
	case r.ResourceType == "OperationOutcome" && r.ID == "", r.ResourceType == "Parameters" && r.ID == "":
		return
	case r.ResourceType != "Bundle" || r.ID != "":
		a.found = append(a.found, fhir.Key{Type: r.ResourceType, ID: r.ID})
		if apart[r.ResourceType] != nil {
			a.shared = append(a.shared, body)
		}
		return
	}
	b := decode[found](t, body)
	a.total = b.Total
	for _, l := range b.Link {
		if l.Relation == "next" {
			a.next = strings.TrimPrefix(l.URL, base+"/")
		}
	}
	for _, e := range b.Entry {
		switch {
		case e.Resource == nil:
		case e.Search.Mode == "include":
			in := decode[named](t, e.Resource)
			a.added = append(a.added, fhir.Key{Type: in.ResourceType, ID: in.ID})
			if apart[in.ResourceType] != nil {
				a.shared = append(a.shared, e.Resource)
			}
		default:
			a.collect(t, e.Resource)
		}
	}
}

func decode[T any](t testing.TB, body []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	return v
}
