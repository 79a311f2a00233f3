package client

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// unsigned joins a header and claims, and a signature that may be anything.
func unsigned(t testing.TB, header, claims map[string]any, signature string) string {
	t.Helper()
	h, err1 := json.Marshal(header)
	c, err2 := json.Marshal(claims)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	enc := base64.RawURLEncoding.EncodeToString
	return enc(h) + "." + enc(c) + "." + enc([]byte(signature))
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	k := testKeys()
	der, err := x509.MarshalPKIXPublicKey(k.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	rsaKid, ecKid := map[string]any{"kid": "rsa"}, map[string]any{"kid": "ec"}
	with := func(name string, v any) map[string]any {
		c := claims("backend", rand62())
		if c[name] = v; v == nil {
			delete(c, name)
		}
		return c
	}
	head := func(name string, v any) map[string]any { return map[string]any{"kid": "ec", name: v} }
	good := func() map[string]any { return claims("backend", rand62()) }
	ec := func(c map[string]any) string { return sign(t, jose.ES384, k.p384, ecKid, c) }
	in := func(d time.Duration) int64 { return start.Add(d).Unix() }
	for _, tt := range []struct {
		claim, assertion string
		want             string // in the error; empty: accepted
	}{
		{"D1 RS384 is verified", sign(t, jose.RS384, k.rsa, rsaKid, good()), ""},
		{"D1 ES384 is verified", ec(good()), ""},
		{"D3 typ JWT", sign(t, jose.ES384, k.p384, head("typ", "JWT"), good()), ""},
		{"D3 typ of something else", sign(t, jose.ES384, k.p384, head("typ", "at+jwt"), good()), "typ in the header"},
		{"D3 RS256 is not on the list", sign(t, jose.RS256, k.rsa, rsaKid, good()), "RS384 or ES384"},
		{"D3 PS384 is not on the list", sign(t, jose.PS384, k.rsa, rsaKid, good()), "RS384 or ES384"},
		{"D3 ES256 is not on the list", sign(t, jose.ES256, k.p256, ecKid, good()), "RS384 or ES384"},
		{"D3 no algorithm", unsigned(t, map[string]any{"alg": "none", "kid": "rsa"}, good(), ""), "RS384 or ES384"},
		{"D3 no algorithm in odd case", unsigned(t, map[string]any{"alg": "nOnE", "kid": "rsa"}, good(), ""), "RS384 or ES384"},
		{"D3 HS256 with the public key as secret", sign(t, jose.HS256, publicPEM, rsaKid, good()), "RS384 or ES384"},
		{"D3 HS384 with the public key as secret", sign(t, jose.HS384, publicPEM, rsaKid, good()), "RS384 or ES384"},
		{"D3 an RSA signature under the kid of an EC key", sign(t, jose.RS384, k.rsa, ecKid, good()), "is not one for the alg"},
		{"D3 an EC signature under the kid of an RSA key", sign(t, jose.ES384, k.p384, rsaKid, good()), "is not one for the alg"},
		{"D3 another key", sign(t, jose.RS384, k.otherRSA, rsaKid, good()), "signature"},
		{"D2 a signature that was cut", ec(good())[:200], "JWT"},
		{"D2 no signature", unsigned(t, map[string]any{"alg": "ES384", "kid": "ec"}, good(), ""), "signature"},
		{"D2 another signature", unsigned(t, map[string]any{"alg": "ES384", "kid": "ec"}, good(), strings.Repeat("x", 96)), "signature"},
		{"D2 a signature of zeros", unsigned(t, map[string]any{"alg": "ES384", "kid": "ec"}, good(), strings.Repeat("\x00", 96)), "signature"},
		{"D2 no JWT", "abc", "JWT"},
		{"D2 nothing", "", "JWT"},
		{"D2 a JWS in JSON", `{"payload":"e30","signatures":[]}`, "JWT"},
		{"D3 no kid", sign(t, jose.ES384, k.p384, nil, good()), "no kid"},
		{"D3 an unknown kid", sign(t, jose.ES384, k.p384, map[string]any{"kid": "other"}, good()), "no usable key"},
		{"D3 a kid with a path", sign(t, jose.ES384, k.p384, map[string]any{"kid": "../../ec"}, good()), "no usable key"},
		{"D3 the attacker's own key in the header", sign(t, jose.RS384, k.otherRSA, map[string]any{"kid": "rsa", "jwk": jose.JSONWebKey{Key: k.otherRSA.Public(), KeyID: "rsa"}}, good()), "signature"},
		{"D3 crit", sign(t, jose.ES384, k.p384, map[string]any{"kid": "ec", "crit": []string{"b64"}, "b64": true}, good()), "crit"},
		{"D4 jku though keys are registered by value", sign(t, jose.ES384, k.p384, head("jku", "https://backend.example/jwks"), good()), "jku"},
		{"D4 jku that is no text", sign(t, jose.ES384, k.p384, head("jku", 1), good()), "jku"},
		{"D3 no iss", ec(with("iss", nil)), "iss and sub"},
		{"D3 no sub", ec(with("sub", nil)), "iss and sub"},
		{"D3 another sub", ec(with("sub", "app")), "iss and sub"},
		{"D3 another client", ec(claims("app", "x")), "no such client"},
		{"D3 iss that is no text", ec(with("iss", 1)), "no JSON object"},
		{"D3 another aud", ec(with("aud", "https://other.example/token")), "aud"},
		{"D3 no aud", ec(with("aud", nil)), "aud"},
		{"D3 the issuer as aud", ec(with("aud", "https://ehr.example.org")), "aud"},
		{"D3 several auds", ec(with("aud", []string{tokenURL, "https://other.example/token"})), "aud"},
		{"D3 one aud in a list", ec(with("aud", []string{tokenURL})), ""},
		{"D3 no exp", ec(with("exp", nil)), "no exp"},
		{"D3 exp in the past", ec(with("exp", in(-time.Second))), "expired"},
		{"D3 exp now", ec(with("exp", in(0))), "expired"},
		{"D3 exp 5 minutes ahead", ec(with("exp", in(5*time.Minute))), ""},
		{"D3 exp 6 minutes ahead", ec(with("exp", in(6*time.Minute))), "5 minutes"},
		{"D3 exp beyond all clocks", ec(with("exp", 1e300)), "exp"},
		{"D3 exp that is no number", ec(with("exp", "soon")), "no JSON object"},
		{"D3 nbf in the future", ec(with("nbf", in(time.Minute))), "nbf"},
		{"D3 iat in the future", ec(with("iat", in(time.Minute))), "iat"},
		{"D3 iat now", ec(with("iat", in(0))), ""},
		{"D3 no jti", ec(with("jti", nil)), "jti"},
		{"D3 an endless jti", ec(with("jti", strings.Repeat("x", 600))), "jti"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			r := withBackend(t)
			c, err := r.Authenticate(t.Context(), none, assertionForm(t, tt.assertion))
			switch {
			case tt.want == "" && (err != nil || c.ID != "backend"):
				t.Error(err)
			case tt.want != "" && (outcome(c, err) != "invalid_client" || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(tt.want))):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		claim string
		form  []string
	}{
		{"D2 another client_assertion_type", []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "client_assertion", ec(good())}},
		{"D2 no client_assertion_type", []string{"client_assertion", ec(good())}},
		{"D2 no client_assertion", []string{"client_assertion_type", assertionType}},
		{"D3 another client_id", []string{"client_assertion_type", assertionType, "client_assertion", ec(good()), "client_id", "app"}},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			r := withBackend(t)
			c, err := r.Authenticate(t.Context(), none, form(t, tt.form...))
			if got := outcome(c, err); got != "invalid_client" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// rand62 makes a jti.
func rand62() string { return NewSecret() }

func TestAssertionsAreGoodOnce(t *testing.T) {
	t.Parallel()
	k := testKeys()
	for name, open := range backends.All() {
		t.Run("D3 a jti is good once, on any node and after a restart, on "+name, func(t *testing.T) {
			t.Parallel()
			st := open(t)
			one, other := registry(t, st), registry(t, st)
			jwks := public(t, map[string]crypto.Signer{"ec": k.p384})
			add(t, one, jwtClient(t, jwks, ""))
			second := jwtClient(t, jwks, "")
			second.ID = "second"
			add(t, one, second)
			same := func(id string) string {
				return sign(t, jose.ES384, k.p384, map[string]any{"kid": "ec"}, claims(id, "jti"))
			}
			try := func(r *Registry, assertion, want string) {
				t.Helper()
				c, err := r.Authenticate(t.Context(), none, assertionForm(t, assertion))
				if got := outcome(c, err); got != want {
					t.Errorf("got %s, want %s (%v)", got, want, err)
				}
			}
			first := same("backend")
			try(one, first, "backend")
			try(one, first, "invalid_client")
			try(other, first, "invalid_client")
			try(other, same("backend"), "invalid_client") // signed anew, but the same jti
			try(other, same("second"), "second")          // another client's jtis are its own
		})
	}
	t.Run("D3 of many at the same time one wins", func(t *testing.T) {
		t.Parallel()
		r := withBackend(t)
		assertion := sign(t, jose.ES384, k.p384, map[string]any{"kid": "ec"}, claims("backend", "race"))
		won := make(chan bool)
		for range 8 {
			go func() {
				_, err := r.Authenticate(t.Context(), none, assertionForm(t, assertion))
				won <- err == nil
			}()
		}
		n := 0
		for range 8 {
			if <-won {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d won", n)
		}
	})
}

func FuzzAssertion(f *testing.F) {
	f.Add("eyJhbGciOiJFUzM4NCIsImtpZCI6ImVjIn0.e30.AAAA")
	f.Add("..")
	f.Fuzz(func(t *testing.T, assertion string) {
		p, err := oauth.Once(url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion}})
		if err != nil {
			return
		}
		if c, err := withBackend(t).Authenticate(t.Context(), none, p); err == nil {
			t.Errorf("%q was accepted for %s", assertion, c.ID)
		}
	})
}
