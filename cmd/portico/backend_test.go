package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/portico-fhir/portico/conformance/program"
	"github.com/portico-fhir/portico/smart/client"
)

// backend is a backend service, of a server that always has the same address.
type backend struct {
	t      *testing.T
	id     string
	base   string // without /fhir
	signer jose.Signer
}

func newBackend(t *testing.T, id, address string, alg jose.SignatureAlgorithm, key jose.JSONWebKey) *backend {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	return &backend{t: t, id: id, base: "http://" + strings.Replace(address, "127.0.0.1", "localhost", 1), signer: signer}
}

// demoKey is the private key of the demo's backend.
func demoKey(t *testing.T) (key jose.JSONWebKey) {
	t.Helper()
	data, err := os.ReadFile("../../testdata/clinic/backend/private.jwk.json")
	if err == nil {
		err = json.Unmarshal(data, &key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// laboratory registers a backend with the store whose keys are at a URL, and gives its
// private key.
func laboratory(t *testing.T, bin, store string) jose.JSONWebKey {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private.Public(), KeyID: "lab-1"}}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(set); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	out, err := exec.CommandContext(
		t.Context(), bin, "client", "add", "lab", "--store", store, "--name", "Laboratory", "--kind", "jwt", "--backend", "--jwks-url", server.URL, "--scope", "system/Patient.r",
	).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return jose.JSONWebKey{Key: private, KeyID: "lab-1"}
}

func (b *backend) assertion() string {
	b.t.Helper()
	text, err := jwt.Signed(b.signer).Claims(map[string]any{
		"iss": b.id, "sub": b.id, "aud": b.base + "/auth/token", "jti": client.NewSecret(), "exp": time.Now().Add(4 * time.Minute).Unix(),
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

// startAgain starts a server on a port that somebody else may have for a moment.
func startAgain(t *testing.T, bin string, flags []string) *program.Server {
	t.Helper()
	for range 30 {
		if s := program.Begin(t, bin, flags...); s.AwaitReady() {
			return s
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the server does not start")
	return nil
}

func TestBackends(t *testing.T) {
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
	store := "sqlite:" + t.TempDir()
	flags := []string{"--demo", "--listen", address, "--store", store}
	lab := newBackend(t, "lab", address, jose.RS384, laboratory(t, bin, store))
	s := startAgain(t, bin, flags)
	b := newBackend(t, "demo-backend", address, jose.ES384, demoKey(t))
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
	status, byURL := lab.token(lab.assertion())
	check("D1 RS384 and keys at a URL", status, http.StatusOK)
	check("D1 a read with that token", lab.read(byURL), http.StatusOK)
	stranger := *lab
	stranger.id = b.id
	status, _ = stranger.token(stranger.assertion())
	check("D2 a signature with another client's key", status, http.StatusUnauthorized)
	check("E1 a read without", b.read(""), http.StatusUnauthorized)
	another := []byte(token)
	if at := len(another) - 10; another[at] == 'A' {
		another[at] = 'B'
	} else {
		another[at] = 'A'
	}
	check("E1 a read with another", b.read(string(another)), http.StatusUnauthorized)
	check("E1 a read with the assertion", b.read(b.assertion()), http.StatusUnauthorized)
	check("D3 the same assertion", again(used), http.StatusUnauthorized)
	s.Kill(t)
	s = startAgain(t, bin, flags)
	check("D3 the same assertion after kill -9", again(used), http.StatusUnauthorized)
	check("D3 another assertion", again(b.assertion()), http.StatusOK)
	check("C2 the token after kill -9", b.read(token), http.StatusOK)
	s.Stop(t)
}
