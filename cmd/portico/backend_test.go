package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/smart/client"
)

// backend is the demo's backend service, of a server that always has the same address.
type backend struct {
	t      *testing.T
	base   string // without /fhir
	signer jose.Signer
}

func newBackend(t *testing.T, address string) *backend {
	t.Helper()
	data, err := os.ReadFile("../../testdata/clinic/backend/private.jwk.json")
	if err != nil {
		t.Fatal(err)
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(data, &key); err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES384, Key: key}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	return &backend{t: t, base: "http://" + strings.Replace(address, "127.0.0.1", "localhost", 1), signer: signer}
}

func (b *backend) assertion() string {
	b.t.Helper()
	text, err := jwt.Signed(b.signer).Claims(map[string]any{
		"iss": "demo-backend", "sub": "demo-backend", "aud": b.base + "/auth/token", "jti": client.NewSecret(), "exp": time.Now().Add(4 * time.Minute).Unix(),
	}).Serialize()
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// token gives the status of the token endpoint, and the access token.
func (b *backend) token(assertion string) (int, string) {
	b.t.Helper()
	resp, err := http.PostForm(b.base+"/auth/token", url.Values{
		"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err != nil || json.Unmarshal(body, &got) != nil {
		b.t.Fatalf("%s %s %v", resp.Status, body, err)
	}
	return resp.StatusCode, got.AccessToken
}

// read gives the status of a read with a token.
func (b *backend) read(token string) int {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.base+"/fhir/Patient/amy-shaw", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestABackendOfTheDemo(t *testing.T) {
	t.Parallel()
	bin, err := program.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // only to find a free port
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--demo", "--listen", address, "--store", "sqlite:" + t.TempDir()}
	b := newBackend(t, address)
	s := program.Start(t, bin, flags...)
	used := b.assertion()
	status, token := b.token(used)
	if status != http.StatusOK {
		t.Fatalf("D1 the token endpoint answers %d", status)
	}
	check := func(claim string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", claim, got, want)
		}
	}
	again := func(text string) int { status, _ := b.token(text); return status }
	check("D1 a read with the token", b.read(token), http.StatusOK)
	check("E1 a read without", b.read(""), http.StatusUnauthorized)
	check("E1 a read with another", b.read(token[:len(token)-1]+"A"), http.StatusUnauthorized)
	check("E1 a read with the assertion", b.read(b.assertion()), http.StatusUnauthorized)
	check("D3 the same assertion", again(used), http.StatusUnauthorized)
	s.Kill(t)
	s = program.Start(t, bin, flags...)
	check("D3 the same assertion after kill -9", again(used), http.StatusUnauthorized)
	check("D3 another assertion", again(b.assertion()), http.StatusOK)
	check("C2 the token after kill -9", b.read(token), http.StatusOK)
	s.Stop(t)
}
