package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/authorize"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/server"
	"github.com/portico-fhir/portico/smart/signing"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store/memory"
)

const (
	base     = "https://ehr.example.org/portico"
	redirect = "https://app.example.org/cb"
	origin   = "https://app.example.org"
	verifier = "a-verifier-that-is-longer-than-43-characters-0123456789"
	secret   = "a secret of some length"
	wide     = "openid fhirUser offline_access launch/patient patient/*.rs"
)

var key = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	return k
})

// keys are made once: that takes long.
var keys = sync.OnceValue(func() *signing.Keys { return &signing.Keys{Store: memory.New()} })

// site is the whole authorization server, whose pages let amy agree to everything.
type site struct {
	*server.Server
	t       testing.TB
	handler http.Handler
}

func scopes(t testing.TB, text string) scope.Set {
	t.Helper()
	set, bad := scope.Parse(text)
	if bad != nil {
		t.Fatal(bad)
	}
	return set
}

func newSite(t testing.TB) *site {
	t.Helper()
	st := memory.New()
	keys := keys()
	clients := &client.Registry{Store: st, TokenURL: base + "/auth/token"}
	tokens := &token.Tokens{Store: st, Keys: keys, Issuer: base, FHIR: base + "/fhir"}
	s := &site{t: t}
	s.Server = &server.Server{
		Base: base, FHIR: base + "/fhir", Clients: clients, Tokens: tokens, Keys: keys, Pages: http.HandlerFunc(s.agree),
		Authorizations: &authorize.Authorizations{Store: st, Clients: clients, Tokens: tokens, Issuer: base, FHIR: base + "/fhir"},
	}
	s.handler = s.Handler()
	if err := errors.Join(clients.Ensure(t.Context()), tokens.Ensure(t.Context()), s.Authorizations.Ensure(t.Context())); err != nil {
		t.Fatal(err)
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key().Public(), KeyID: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := client.HashSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	both := []string{client.AuthorizationCode, client.ClientCredentials}
	all := scopes(t, "launch system/*.rs "+wide)
	for _, c := range []*client.Client{
		{ID: "public", Kind: client.Public, Grants: both[:1], Origins: []string{origin}},
		{ID: "secret", Kind: client.Secret, SecretHash: hash, Grants: both, Origins: []string{"https://other.example.org"}},
		{ID: "jwt", Kind: client.JWT, JWKS: jwks, Grants: both},
		{ID: "backend", Kind: client.JWT, JWKS: jwks, Grants: both[1:]},
	} {
		c.Name, c.Redirects, c.Scopes, c.LaunchURL = c.ID, []string{redirect}, all, "https://app.example.org/launch"
		if err := clients.Add(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// agree stands for the pages.
func (s *site) agree(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p, err := s.Authorizations.Begin(r.Context(), r.Form)
	var away *authorize.RedirectError
	if errors.As(err, &away) {
		http.Redirect(w, r, away.URL, http.StatusSeeOther)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	where, err := s.Authorizations.Finish(r.Context(), p.ID, authorize.Decision{
		Account: "account-amy", Actor: fhir.Key{Type: "Patient", ID: "amy"}, Kind: access.Patient, Patient: "amy", Scopes: p.Scopes, AuthTime: time.Now(),
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, where, http.StatusSeeOther)
}

// reply is an answer with its JSON.
type reply struct {
	*http.Response
	json map[string]any
	body string
}

// do sends a request; a header is a line "Name: value".
func (s *site) do(method, path, body string, headers ...string) reply {
	s.t.Helper()
	req := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	resp := rec.Result()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	got := reply{Response: resp, body: string(data)}
	if len(data) > 0 && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(data, &got.json); err != nil {
			s.t.Fatalf("%s: %v", data, err)
		}
	}
	return got
}

const formType = "Content-Type: application/x-www-form-urlencoded"

// post sends a form.
func (s *site) post(path string, pairs []string, headers ...string) reply {
	s.t.Helper()
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return s.do(http.MethodPost, path, values.Encode(), append([]string{formType}, headers...)...)
}

// credentials are the parameters by which a client proves who it is.
func (s *site) credentials(id string) []string {
	switch id {
	case "public":
		return []string{"client_id", id}
	case "secret":
		return []string{"client_id", id, "client_secret", secret}
	}
	return []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", s.assertion(id)}
}

func (s *site) assertion(id string) string {
	s.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES384, Key: key()}, new(jose.SignerOptions).WithType("JWT").WithHeader("kid", "k"))
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": id, "sub": id, "aud": base + "/auth/token", "exp": time.Now().Add(4 * time.Minute).Unix(), "jti": client.NewSecret(),
	}).Serialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// request gives the parameters of an authorization request.
func request(id, state string, more ...string) url.Values {
	v := url.Values{
		"response_type": {"code"}, "client_id": {id}, "redirect_uri": {redirect}, "scope": {wide}, "state": {state}, "aud": {base + "/fhir"},
		"code_challenge": {token.Challenge(verifier)}, "code_challenge_method": {"S256"}, "nonce": {"n-1"},
	}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

// code goes through authorization.
func (s *site) code(id string, more ...string) string {
	s.t.Helper()
	got := s.do(http.MethodGet, "/auth/authorize?"+request(id, "st", more...).Encode(), "")
	where, err := url.Parse(got.Header.Get("Location"))
	if err != nil || where.Query().Get("code") == "" || where.Query().Get("state") != "st" || where.Query().Has("error") {
		s.t.Fatalf("%d %s %v", got.StatusCode, where, err)
	}
	return where.Query().Get("code")
}

// tokens gives the answer to a good code.
func (s *site) tokens(id string, more ...string) map[string]any {
	s.t.Helper()
	got := s.post("/auth/token", append(s.credentials(id), "grant_type", "authorization_code", "code", s.code(id, more...), "redirect_uri", redirect, "code_verifier", verifier))
	if got.StatusCode != http.StatusOK {
		s.t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	return got.json
}

func (r reply) wantError(t testing.TB, status int, code string) {
	t.Helper()
	if r.StatusCode != status || r.json["error"] != code || r.json["error_description"] == "" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %s %v, want %d %s", r.StatusCode, r.body, r.Header, status, code)
	}
}

func text(v any) string { return fmt.Sprint(v) }
