package authorize_test

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/signing"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	issuer   = "https://ehr.example.org"
	base     = issuer + "/fhir"
	redirect = "https://app.example.org/cb?x=1"
	verifier = "a-verifier-that-is-longer-than-43-characters-0123456789"
	asked    = "openid fhirUser offline_access launch/patient patient/*.rs"
)

// keys are made once: that takes long.
var keys = sync.OnceValue(func() *signing.Keys { return &signing.Keys{Store: memory.New()} })

// clinic is Authorizations with what stands around them, and a clock.
type clinic struct {
	*authorize.Authorizations
	mu  sync.Mutex
	now time.Time
}

func (c *clinic) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func scopes(t testing.TB, text string) scope.Set {
	t.Helper()
	set, bad := scope.Parse(text)
	if bad != nil {
		t.Fatal(bad)
	}
	return set
}

func newClinic(t testing.TB, st store.Store) *clinic {
	t.Helper()
	c := &clinic{now: start}
	clock := func() time.Time {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.now
	}
	clients := &client.Registry{Store: st, TokenURL: issuer + "/auth/token", Now: clock}
	tokens := &token.Tokens{Store: st, Keys: keys(), Issuer: issuer, FHIR: base, Now: clock}
	c.Authorizations = &authorize.Authorizations{Store: st, Clients: clients, Tokens: tokens, Issuer: issuer, FHIR: base, Now: clock}
	if err := errors.Join(clients.Ensure(t.Context()), tokens.Ensure(t.Context()), c.Ensure(t.Context())); err != nil {
		t.Fatal(err)
	}
	app := client.Client{
		ID: "app", Name: "An app", Kind: client.Public, Redirects: []string{redirect, "https://app.example.org/plain"}, LaunchURL: "https://app.example.org/launch?a=b",
		Scopes: scopes(t, "launch launch/encounter online_access profile "+asked+" user/*.rs system/*.rs"), Grants: []string{client.AuthorizationCode},
	}
	other, off, backend := app, app, app
	other.ID = "other"
	off.ID, off.Disabled = "off", true
	backend.ID, backend.Kind, backend.Grants = "backend", client.Secret, []string{client.ClientCredentials}
	backend.SecretHash, _ = client.HashSecret("a secret of some length")
	for _, one := range []client.Client{app, other, off, backend} {
		if err := clients.Add(t.Context(), &one); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func simple(t testing.TB) *clinic { return newClinic(t, memory.New()) }

// request gives valid parameters, changed: a pair with an empty value is left out.
func request(pairs ...string) url.Values {
	v := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {redirect}, "scope": {asked}, "state": {"a state&=%+é \"'"},
		"aud": {base}, "code_challenge": {token.Challenge(verifier)}, "code_challenge_method": {"S256"}, "nonce": {"n-1"},
	}
	for i := 0; i < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

// amy decides as a patient.
func amy(t testing.TB, text string) authorize.Decision {
	return authorize.Decision{
		Account: "account-amy", Actor: fhir.Key{Type: "Patient", ID: "amy"}, Kind: access.Patient, Patient: "amy",
		Scopes: scopes(t, text), AuthTime: start, Session: "session",
	}
}

// okafor decides as a clinician.
func okafor(t testing.TB, text string) authorize.Decision {
	d := amy(t, text)
	d.Account, d.Actor, d.Kind = "account-okafor", fhir.Key{Type: "Practitioner", ID: "okafor"}, access.Clinician
	return d
}

func (c *clinic) begin(t testing.TB, pairs ...string) *authorize.Pending {
	t.Helper()
	p, err := c.Begin(t.Context(), request(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// onlyOne tries something many times at the same time, and wants it to succeed once.
func onlyOne(t *testing.T, try func() error) {
	t.Helper()
	won := make(chan bool)
	for range 6 {
		go func() { won <- try() == nil }()
	}
	n := 0
	for range 6 {
		if <-won {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d succeeded", n)
	}
}
