package token_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/signing"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	issuer   = "https://ehr.example.org"
	redirect = "https://app.example.org/cb"
	verifier = "a-verifier-that-is-longer-than-43-characters-0123456789"
	wide     = "openid fhirUser offline_access launch/patient patient/*.rs"
)

// keys are made once: that takes long.
var keys = sync.OnceValue(func() *signing.Keys { return &signing.Keys{Store: memory.New()} })

// server is Tokens with a clock, people and grants that a test can change.
type server struct {
	*token.Tokens
	t testing.TB

	mu       sync.Mutex
	now      time.Time
	sessions map[string]bool
	grants   map[string]policy.Effective
}

func newServer(t testing.TB, st store.Store) *server {
	t.Helper()
	s := &server{t: t, now: start, sessions: map[string]bool{"session": true}, grants: map[string]policy.Effective{}}
	clock := func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now
	}
	s.Tokens = &token.Tokens{
		Store: st, Keys: keys(), Issuer: issuer, FHIR: issuer + "/fhir",
		Grants: grants{s}, Sessions: sessions{s}, Now: clock,
	}
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

type sessions struct{ *server }

func (s sessions) Live(_ context.Context, id string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id], nil
}

type grants struct{ *server }

func (g grants) Live(_ context.Context, id string) (policy.Effective, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e, ok := g.grants[id]
	return e, ok, nil
}

func scopes(t testing.TB, text string) scope.Set {
	t.Helper()
	set, bad := scope.Parse(text)
	if bad != nil {
		t.Fatal(bad)
	}
	return set
}

// app is a client of some kind that may have everything.
func app(t testing.TB, id string, kind client.Kind) *client.Client {
	return &client.Client{
		ID: id, Name: id, Kind: kind,
		Scopes: scopes(t, wide+" online_access profile launch user/*.cruds system/*.cruds patient/*.cruds"),
		Grants: []string{client.AuthorizationCode, client.ClientCredentials},
	}
}

// amys is an authorization by a patient.
func amys(t testing.TB, text string) token.Authorization {
	return token.Authorization{
		Client: "app", Kind: access.Patient, Account: "account-amy", Actor: fhir.Key{Type: "Patient", ID: "amy"}, Patient: "amy",
		Scopes: scopes(t, text), Session: "session", AuthTime: start.Add(-time.Minute),
	}
}

// code stores an authorization and gives its code.
func (s *server) code(a token.Authorization) string {
	s.t.Helper()
	text, op, err := s.New(a, token.Request{Redirect: redirect, Challenge: token.Challenge(verifier), Nonce: "n-1"})
	if err == nil {
		err = s.Store.Apply(s.t.Context(), []store.Op{op})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// exchange gives the tokens of a new authorization.
func (s *server) exchange(c *client.Client, a token.Authorization) *token.Response {
	s.t.Helper()
	a.Client = c.ID
	resp, err := s.Exchange(s.t.Context(), c, s.code(a), redirect, verifier)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

// is checks that an error is the oauth.Error of a code, and says what it should.
func is(t testing.TB, err error, want oauth.Code, says string) {
	t.Helper()
	var e *oauth.Error
	if !errors.As(err, &e) || e.Code != want || !strings.Contains(e.Description, says) {
		t.Errorf("got %v, want %s: …%s…", err, want, says)
	}
}

// works checks whether an access token is good.
func (s *server) works(t testing.TB, bearer string, want bool) {
	t.Helper()
	a, err := s.Authenticate(t.Context(), bearer)
	var e *fhir.Error
	switch {
	case want && err != nil:
		t.Errorf("the access token does not work: %v", err)
	case !want && (a != nil || !errors.As(err, &e) || e.Code() != fhir.CodeLogin):
		t.Errorf("the access token gives %+v, %v", a, err)
	}
}

func simple(t testing.TB) *server { return newServer(t, memory.New()) }
