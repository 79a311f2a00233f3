package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
)

const tokenURL = "https://ehr.example.org/auth/token"

// start is when tests begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// testKeys are made once: RSA keys take long.
var testKeys = sync.OnceValue(func() (k struct {
	rsa, otherRSA, weakRSA *rsa.PrivateKey
	p384, p256             *ecdsa.PrivateKey
},
) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.otherRSA, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.weakRSA, _ = rsa.GenerateKey(rand.Reader, 1024)
	k.p384, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.p256, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k
})

// public gives a JWKS of the public parts.
func public(t testing.TB, keys map[string]crypto.Signer) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	for kid, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: kid})
	}
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// claims are those of a good assertion of the client.
func claims(id, jti string) map[string]any {
	return map[string]any{"iss": id, "sub": id, "aud": tokenURL, "exp": start.Add(4 * time.Minute).Unix(), "jti": jti}
}

// sign makes an assertion.
func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, header, claims map[string]any) string {
	t.Helper()
	opts := new(jose.SignerOptions)
	for name, v := range header {
		opts = opts.WithHeader(jose.HeaderKey(name), v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func form(t testing.TB, pairs ...string) oauth.Params {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	p, err := oauth.Once(values)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func assertionForm(t testing.TB, assertion string) oauth.Params {
	return form(t, "client_assertion_type", assertionType, "client_assertion", assertion)
}

func scopes(t testing.TB, text string) scope.Set {
	t.Helper()
	set, bad := scope.Parse(text)
	if bad != nil {
		t.Fatal(bad)
	}
	return set
}

func registry(t testing.TB, st store.Store) *Registry {
	t.Helper()
	r := &Registry{Store: st, TokenURL: tokenURL, Now: func() time.Time { return start }}
	if err := r.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// publicClient is a valid registration to start from.
func publicClient(t testing.TB) *Client {
	return &Client{
		ID: "app", Name: "An app", Kind: Public, Redirects: []string{"https://app.example.org/cb"},
		Scopes: scopes(t, "launch/patient patient/*.rs"), Grants: []string{AuthorizationCode},
	}
}

func jwtClient(t testing.TB, jwks []byte, jwksURL string) *Client {
	return &Client{
		ID: "backend", Name: "A backend", Kind: JWT, JWKS: jwks, JWKSURL: jwksURL,
		Scopes: scopes(t, "system/*.rs"), Grants: []string{ClientCredentials},
	}
}

// withBackend gives a registry that knows the client "backend" by both of its keys.
func withBackend(t testing.TB) *Registry {
	t.Helper()
	k := testKeys()
	r := registry(t, memory.New())
	add(t, r, jwtClient(t, public(t, map[string]crypto.Signer{"rsa": k.rsa, "ec": k.p384}), ""))
	return r
}

func add(t testing.TB, r *Registry, c *Client) {
	t.Helper()
	if err := r.Add(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

var none = http.Header{}
