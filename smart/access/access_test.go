package access_test

import (
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

func TestAContextCarriesAnAccess(t *testing.T) {
	t.Parallel()
	if a := access.From(t.Context()); a != nil {
		t.Errorf("a bare context carries %+v", a)
	}
	want := &access.Access{Kind: access.System}
	if got := access.From(access.With(t.Context(), want)); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestCallersDifferInAllThatCounts(t *testing.T) {
	t.Parallel()
	scopes, _ := scope.Parse("patient/*.rs")
	base := access.Access{
		Kind: access.Proxy, Actor: fhir.Key{Type: "RelatedPerson", ID: "r"}, Patient: "p", Scopes: scopes,
		Account: "a", Client: "c", Grant: "g", Token: "t",
	}
	change := map[string]func(*access.Access){
		"kind":    func(a *access.Access) { a.Kind = access.Patient },
		"actor":   func(a *access.Access) { a.Actor.ID = "s" },
		"patient": func(a *access.Access) { a.Patient = "q" },
		"scopes":  func(a *access.Access) { a.Scopes = scope.Set{} },
		"account": func(a *access.Access) { a.Account = "b" },
		"client":  func(a *access.Access) { a.Client = "d" },
		"grant":   func(a *access.Access) { a.Grant = "h" },
		"terms":   func(a *access.Access) { a.Terms = "less" },
		"split":   func(a *access.Access) { a.Account, a.Client = `a" "c`, "" },
	}
	for name, f := range change {
		other := base
		f(&other)
		if other.Caller() == base.Caller() {
			t.Errorf("E6 another %s is the same caller %s", name, base.Caller())
		}
	}
	less := base
	less.Terms = "less"
	for _, a := range []*access.Access{&base, base.Shared(), base.Under(&policy.Effective{Terms: "more"}, time.Now())} {
		if got := a.Under(&policy.Effective{Terms: "less"}, time.Now()); got.Terms != "less" || got.Caller() != less.Caller() {
			t.Errorf("E11 under less it is %s, want %s", got.Caller(), less.Caller())
		}
	}
	refreshed := base
	refreshed.Token = "u"
	if refreshed.Caller() != base.Caller() {
		t.Error("E6 another token of the same person is another caller")
	}
	var nobody *access.Access
	if nobody.Caller() != "nobody" || new(access.Access).Caller() != "nobody" {
		t.Error("nobody has a name")
	}
}

func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	for k := access.Patient; k <= access.System; k++ {
		if got := access.ParseKind(k.String()); got != k {
			t.Errorf("%v reads as %v", k, got)
		}
	}
	if k := access.ParseKind("nobody"); k != 0 {
		t.Errorf("nobody reads as %v", k)
	}
}
