package foreign_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/foreign"
	"github.com/portico-fhir/portico/smart/jwks"
	"github.com/portico-fhir/portico/smart/scope"
)

const (
	issuer = "https://login.hospital.example/realms/main"
	base   = "https://ehr.example.org/fhir"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var testKeys = sync.OnceValue(func() (k struct {
	rsa, other *rsa.PrivateKey
	ec         *ecdsa.PrivateKey
},
) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.other, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k
})

// hospital is an issuer with its key set, and a server that accepts its tokens.
type hospital struct {
	*foreign.Tokens
	t       testing.TB
	now     time.Time
	fetches atomic.Int64
	keys    atomic.Pointer[map[string]crypto.Signer]
}

func scopes(t testing.TB, text string) scope.Set {
	t.Helper()
	set, bad := scope.Parse(text)
	if bad != nil {
		t.Fatal(bad)
	}
	return set
}

func newHospital(t testing.TB, change func(*foreign.Issuer)) *hospital {
	t.Helper()
	h := &hospital{t: t, now: start}
	h.keys.Store(&map[string]crypto.Signer{"rsa": testKeys().rsa, "ec": testKeys().ec})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.fetches.Add(1)
		var set jose.JSONWebKeySet
		for kid, k := range *h.keys.Load() {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: kid})
		}
		if err := json.NewEncoder(w).Encode(set); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	i := foreign.Issuer{URL: issuer, Audience: base, KeysURL: s.URL, Scopes: scopes(t, "openid fhirUser launch patient/*.rs user/*.rs system/*.rs"), System: true}
	if change != nil {
		change(&i)
	}
	if err := i.Validate(); err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return h.now }
	h.Tokens = &foreign.Tokens{Issuers: []foreign.Issuer{i}, FHIR: base, Keys: &jwks.Fetcher{Loopback: true, Timeout: patience.Limit, Now: clock}, Now: clock}
	return h
}

// claims are those of a clinician's token, changed: nil leaves one out.
func claims(pairs ...any) map[string]any {
	c := map[string]any{
		"iss": issuer, "aud": []string{base, "account"}, "sub": "u-1", "iat": start.Unix(), "exp": start.Add(10 * time.Minute).Unix(),
		"client_id": "their-app", "scope": "openid user/*.rs patient/*.rs", "fhirUser": base + "/Practitioner/okafor", "patient": "amy",
	}
	for i := 0; i < len(pairs); i += 2 {
		if c[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(c, pairs[i].(string))
		}
	}
	return c
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid, typ string, c map[string]any) string {
	t.Helper()
	opts := new(jose.SignerOptions)
	if kid != "" {
		opts = opts.WithHeader("kid", kid)
	}
	if typ != "" {
		opts = opts.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func token(t testing.TB, pairs ...any) string {
	return sign(t, jose.RS256, testKeys().rsa, "rsa", "at+jwt", claims(pairs...))
}

var sameScopes = cmp.Comparer(func(a, b scope.Set) bool { return a.String() == b.String() })

func TestWhoATokenStandsFor(t *testing.T) {
	t.Parallel()
	clinician := func(f func(*access.Access)) *access.Access {
		a := &access.Access{
			Kind: access.Clinician, Actor: fhir.Key{Type: "Practitioner", ID: "okafor"}, Patient: "amy", Scopes: scopes(t, "openid user/*.rs patient/*.rs"),
			Account: issuer + "|u-1", Client: "their-app",
		}
		if f != nil {
			f(a)
		}
		return a
	}
	for _, tt := range []struct {
		claim  string
		change func(*foreign.Issuer)
		token  string
		want   *access.Access // nil: refused
	}{
		{"E10 a clinician", nil, token(t), clinician(nil)},
		{"E10 a clinician by a relative reference", nil, token(t, "fhirUser", "Practitioner/okafor", "encounter", "e1"), clinician(func(a *access.Access) { a.Encounter = "e1" })},
		{"E10 a clinician without a patient has no patient scopes", nil, token(t, "patient", nil), clinician(func(a *access.Access) { a.Patient, a.Scopes = "", scopes(t, "openid user/*.rs") })},
		{"E10 never more than the issuer may give", nil, token(t, "scope", "user/*.cruds system/*.rs launch/patient"), clinician(func(a *access.Access) { a.Scopes = scopes(t, "user/*.rs") })},
		{"E10 scopes in a list", func(i *foreign.Issuer) { i.Claims.Scope = "scp" }, token(t, "scope", nil, "scp", []string{"user/Patient.rs", "user/Observation.rs"}), clinician(func(a *access.Access) { a.Scopes = scopes(t, "user/Patient.rs user/Observation.rs") })},
		{"E10 claims of other names", func(i *foreign.Issuer) { i.Claims = foreign.Claims{User: "who", Patient: "pat", Client: "app"} }, token(t, "who", "Practitioner/okafor", "pat", "amy", "app", "x", "patient", "bob"), clinician(func(a *access.Access) { a.Client = "x" })},
		{"E10 the client by azp", nil, token(t, "client_id", nil, "azp", "y"), clinician(func(a *access.Access) { a.Client = "y" })},
		{"E10 a patient", nil, token(t, "fhirUser", base+"/Patient/amy", "patient", nil, "scope", "patient/*.rs"), clinician(func(a *access.Access) {
			a.Kind, a.Actor, a.Scopes = access.Patient, fhir.Key{Type: "Patient", ID: "amy"}, scopes(t, "patient/*.rs")
		})},
		{"E10 a system", nil, token(t, "fhirUser", nil, "scope", "system/Patient.rs system/*.cruds"), &access.Access{Kind: access.System, Scopes: scopes(t, "system/Patient.rs system/*.rs"), Client: "their-app"}},
		{"E11 a patient for somebody else", nil, token(t, "fhirUser", base+"/Patient/tom"), nil},
		{"E11 a related person", nil, token(t, "fhirUser", base+"/RelatedPerson/tom"), nil},
		{"E10 a person elsewhere", nil, token(t, "fhirUser", "https://other.example/fhir/Practitioner/okafor"), nil},
		{"E10 a version of a person", nil, token(t, "fhirUser", "Practitioner/okafor/_history/1"), nil},
		{"E10 a person that is no reference", nil, token(t, "fhirUser", "okafor"), nil},
		{"E10 somebody without a record here is no system", nil, token(t, "fhirUser", nil, "scope", "system/*.rs user/*.rs"), nil},
		{"E10 somebody who signed in is no system", nil, token(t, "fhirUser", nil, "scope", "system/*.rs openid"), nil},
		{"E10 a system that is not accepted", func(i *foreign.Issuer) { i.System = false }, token(t, "fhirUser", nil, "scope", "system/*.rs"), nil},
		{"E10 a system without a client", nil, token(t, "fhirUser", nil, "client_id", nil, "scope", "system/*.rs"), nil},
		{"E2 no scopes", nil, token(t, "scope", nil), nil},
		{"E2 scopes that mean nothing", nil, token(t, "scope", "email"), nil},
		{"E2 scopes of another type", nil, token(t, "scope", 1), nil},
		{"E1 a patient that is no id", nil, token(t, "patient", "amy/../bob"), nil},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			h := newHospital(t, tt.change)
			got, err := h.Authenticate(t.Context(), tt.token)
			var e *fhir.Error
			if tt.want == nil {
				if got != nil || !errors.As(err, &e) || e.Code() != fhir.CodeLogin {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Token == "" {
				t.Error("the token has no id")
			}
			tt.want.Token = got.Token
			if diff := cmp.Diff(tt.want.Shared(), got, sameScopes, cmp.AllowUnexported(access.Access{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("E10 who a person is may be looked up", func(t *testing.T) {
		t.Parallel()
		h := newHospital(t, func(i *foreign.Issuer) {
			i.Who = func(_ context.Context, c map[string]any) (fhir.Key, error) {
				if c["hpr"] == "broken" {
					return fhir.Key{}, errors.New("no database")
				}
				return fhir.Key{Type: "Practitioner", ID: "by-" + c["hpr"].(string)}, nil
			}
		})
		if a, err := h.Authenticate(t.Context(), token(t, "hpr", "123")); err != nil || a.Actor.ID != "by-123" {
			t.Errorf("got %+v, %v", a, err)
		}
		var e *fhir.Error
		if _, err := h.Authenticate(t.Context(), token(t, "hpr", "broken")); err == nil || errors.As(err, &e) {
			t.Errorf("a fault is the token's: %v", err)
		}
	})
}

func TestTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	k := testKeys()
	der, err := x509.MarshalPKIXPublicKey(k.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	at := func(d time.Duration) int64 { return start.Add(d).Unix() }
	for claim, text := range map[string]string{
		"E1 another issuer":                       token(t, "iss", "https://evil.example"),
		"E1 an issuer with a slash":               token(t, "iss", issuer+"/"),
		"E1 no issuer":                            token(t, "iss", nil),
		"E1 another audience":                     token(t, "aud", "https://other.example/fhir"),
		"E1 an audience that begins alike":        token(t, "aud", base+"/x"),
		"E1 no audience":                          token(t, "aud", nil),
		"E1 expired":                              token(t, "exp", at(-time.Second)),
		"E1 expires now":                          token(t, "exp", at(0)),
		"E1 never expires":                        token(t, "exp", nil),
		"E1 lasts too long":                       token(t, "exp", at(61*time.Minute)),
		"E1 lasts too long, without iat":          token(t, "exp", at(61*time.Minute), "iat", nil),
		"E1 lasted too long":                      token(t, "exp", at(time.Minute), "iat", at(-2*time.Hour)),
		"E1 not yet":                              token(t, "nbf", at(6*time.Minute)),
		"E1 an id token":                          token(t, "nonce", "n-1"),
		"E1 an id token with at_hash":             token(t, "at_hash", "x"),
		"E1 a logout token":                       sign(t, jose.RS256, k.rsa, "rsa", "logout+jwt", claims()),
		"E1 another key":                          sign(t, jose.RS256, k.other, "rsa", "", claims()),
		"E1 an unknown kid":                       sign(t, jose.RS256, k.rsa, "other", "", claims()),
		"E1 no kid":                               sign(t, jose.RS256, k.rsa, "", "", claims()),
		"E1 the kid of another key":               sign(t, jose.RS256, k.rsa, "ec", "", claims()),
		"E1 an algorithm that is not on the list": sign(t, jose.PS256, k.rsa, "rsa", "", claims()),
		"E1 HS256 with the public key":            sign(t, jose.HS256, publicPEM, "rsa", "", claims()),
		"E1 none":                                 "eyJhbGciOiJub25lIn0." + strings.Split(token(t), ".")[1] + ".",
		"E1 other claims under the signature":     strings.Split(token(t), ".")[0] + "." + strings.Split(token(t, "patient", "bob"), ".")[1] + "." + strings.Split(token(t), ".")[2],
		"E1 nothing":                              "",
		"E1 garbage":                              "a.b.c",
		"E1 endless":                              strings.Repeat("a", 20_000),
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			h := newHospital(t, nil)
			a, err := h.Authenticate(t.Context(), text)
			var e *fhir.Error
			if a != nil || !errors.As(err, &e) || e.Code() != fhir.CodeLogin || strings.Contains(e.Issues[0].Detail, "kid") {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
	t.Run("E1 the plain typ and none are accepted", func(t *testing.T) {
		t.Parallel()
		h := newHospital(t, func(i *foreign.Issuer) { i.Algorithms = []string{"RS256", "ES256"} })
		for _, typ := range []string{"", "JWT", "application/at+jwt", "AT+JWT"} {
			if _, err := h.Authenticate(t.Context(), sign(t, jose.ES256, k.ec, "ec", typ, claims())); err != nil {
				t.Errorf("%q: %v", typ, err)
			}
		}
	})
}

func TestVerifiedTokensAreRememberedForAWhile(t *testing.T) {
	t.Parallel()
	h := newHospital(t, nil)
	text, short := token(t), token(t, "exp", start.Add(time.Minute).Unix())
	for range 3 {
		for _, one := range []string{text, short} {
			if _, err := h.Authenticate(t.Context(), one); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := h.fetches.Load(); n != 1 {
		t.Errorf("E1 the key set was fetched %d times", n)
	}
	h.now = start.Add(time.Minute)
	if _, err := h.Authenticate(t.Context(), short); err == nil {
		t.Error("E1 a token outlives itself")
	}
	h.keys.Store(&map[string]crypto.Signer{"new": testKeys().other}) // the key was withdrawn
	h.now = start.Add(5 * time.Minute)
	if _, err := h.Authenticate(t.Context(), text); err == nil {
		t.Error("E1 a token outlives its key for more than five minutes")
	}
}

func TestConfigurationsAreChecked(t *testing.T) {
	t.Parallel()
	good := foreign.Issuer{URL: issuer, Audience: base, KeysURL: issuer + "/certs", Scopes: scopes(t, "user/*.rs")}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*foreign.Issuer){
		"the issuer must be":    func(i *foreign.Issuer) { i.URL = "hospital" },
		"the audience":          func(i *foreign.Issuer) { i.Audience = "" },
		"key set":               func(i *foreign.Issuer) { i.KeysURL = "" },
		`the algorithm "HS256"`: func(i *foreign.Issuer) { i.Algorithms = []string{"HS256"} },
		`the algorithm "none"`:  func(i *foreign.Issuer) { i.Algorithms = []string{"RS256", "none"} },
		"the scopes":            func(i *foreign.Issuer) { i.Scopes = scope.Set{} },
		"must not be negative":  func(i *foreign.Issuer) { i.Longest = -1 },
	} {
		i := good
		change(&i)
		if err := i.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

func FuzzAuthenticate(f *testing.F) {
	h := newHospital(f, nil)
	good := token(f)
	f.Add(good)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		if text == good {
			return
		}
		var e *fhir.Error
		if a, err := h.Authenticate(t.Context(), text); a != nil || !errors.As(err, &e) {
			t.Errorf("%q gives %+v, %v", text, a, err)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	h := newHospital(b, nil)
	text := token(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Authenticate(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
}
