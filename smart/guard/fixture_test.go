package guard_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/guard"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store/memory"
)

// fixture is a guard over a few resources.
type fixture struct {
	*guard.Repository
	records *record.Repository
	grants  fakeGrants
}

func newFixture(t testing.TB, bodies ...string) *fixture {
	t.Helper()
	data, err := policy.Default()
	if err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	clock := func() time.Time { return now }
	f := &fixture{records: &record.Repository{Store: st, Base: base, Now: clock}, grants: make(fakeGrants)}
	f.Repository = &guard.Repository{Inner: f.records, Policy: data, Grants: f.grants, Base: base, NewID: record.NewID, Now: clock}
	for _, body := range bodies {
		f.put(t, body)
	}
	return f
}

// key reads the type and id with which a body begins.
func keyOf(body string) fhir.Key {
	parts := strings.SplitN(body, `"`, 9)
	if len(parts) < 9 || parts[5] != "id" {
		return fhir.Key{Type: fhir.Type(parts[3])}
	}
	return fhir.Key{Type: fhir.Type(parts[3]), ID: parts[7]}
}

// put writes past the guard.
func (f *fixture) put(t testing.TB, body string) {
	t.Helper()
	if _, err := f.records.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: keyOf(body), Body: []byte(body)}}); err != nil {
		t.Fatal(err)
	}
}

// as gives the context of a caller.
func as(t testing.TB, kind access.Kind, who, patient, scopes string) context.Context {
	t.Helper()
	set, bad := scope.Parse(scopes)
	if bad != nil {
		t.Fatal(bad)
	}
	typ, id, _ := strings.Cut(who, "/")
	a := &access.Access{Kind: kind, Actor: fhir.Key{Type: fhir.Type(typ), ID: id}, Patient: patient, Scopes: set, Account: "a", Client: "c"}
	if kind == access.Proxy {
		a.Grant = "g"
	}
	return access.With(t.Context(), a)
}

// proxy lets RelatedPerson/r act for a patient under a grant of the column.
func (f *fixture) proxy(t testing.TB, patient, column string) {
	t.Helper()
	birth := map[string]string{"child": "2020-01-01", "limited": "2012-01-01"}[column]
	g := policy.Grant{ID: "g", Proxy: fhir.Key{Type: "RelatedPerson", ID: "r"}, Patient: patient, Basis: "parental", Active: true}
	e, ok := f.Policy.Effective(g, policy.Subject{Birth: birth}, now, time.UTC)
	if !ok || e.Column != column {
		t.Fatalf("the grant opens %q", e.Column)
	}
	f.grants["g"] = e
}

// code is that of an error; "" for none.
func code(err error) fhir.IssueCode {
	var told *fhir.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &told):
		return told.Code()
	}
	return "fault"
}

// find searches, by parameters as in a URL.
func (f *fixture) find(ctx context.Context, t testing.TB, typ fhir.Type, params ...string) (fhir.Page, error) {
	t.Helper()
	p := search.Parser{Base: base, Describe: f.Describe, DefaultCount: 100, MaxCount: 100}
	var pairs []search.Pair
	for _, one := range params {
		name, value, _ := strings.Cut(one, "=")
		pairs = append(pairs, search.Pair{Name: name, Value: value})
	}
	req, err := p.Parse(typ, pairs, false, "")
	if err != nil {
		t.Fatal(err)
	}
	return f.Search(ctx, req.Query)
}
