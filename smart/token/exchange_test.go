package token_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

func TestACodeGivesTokens(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run("C2 an answer with everything, on "+name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, open(t))
			a := amys(t, wide)
			a.Encounter = "e1"
			a.Launch = token.Launch{Intent: "reconcile", NoBanner: true, Style: "https://style.example/s.json", FHIRContext: json.RawMessage(`[{"reference":"ImagingStudy/1"}]`)}
			resp := s.exchange(app(t, "app", client.Public), a)
			no := false
			want := &token.Response{
				AccessToken: resp.AccessToken, TokenType: "Bearer", ExpiresIn: 3600, Scope: wide, RefreshToken: resp.RefreshToken,
				IDToken: resp.IDToken, Patient: "amy", Encounter: "e1", FHIRContext: a.Launch.FHIRContext, Banner: &no,
				Style: "https://style.example/s.json", Intent: "reconcile",
			}
			if diff := cmp.Diff(want, resp); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if resp.RefreshToken == "" {
				t.Error("no refresh token")
			}
			got, err := s.Authenticate(t.Context(), resp.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			wantAccess := &access.Access{
				Kind: access.Patient, Actor: fhir.Key{Type: "Patient", ID: "amy"}, Patient: "amy", Encounter: "e1", Scopes: scopes(t, wide),
				Account: "account-amy", Client: "app", Token: resp.AccessToken[4:28],
			}
			if diff := cmp.Diff(wantAccess.Shared(), got, cmp.AllowUnexported(access.Access{}), cmp.Comparer(func(a, b scope.Set) bool { return a.String() == b.String() })); diff != "" {
				t.Errorf("the token stands for (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("C6 the id token", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		checkIDToken(t, s, s.exchange(app(t, "app", client.Public), amys(t, wide)))
	})
	t.Run("C4 a standalone launch has a banner and the server's style", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		resp := s.exchange(app(t, "app", client.Public), amys(t, "patient/*.rs"))
		if resp.Banner == nil || !*resp.Banner || resp.Style != issuer+"/auth/style.json" || resp.IDToken != "" || resp.RefreshToken != "" {
			t.Errorf("got %+v", resp)
		}
	})
}

func checkIDToken(t testing.TB, s *server, resp *token.Response) {
	t.Helper()
	parsed, err := jwt.ParseSigned(resp.IDToken, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := s.Keys.JWKS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	var got map[string]any
	if err := errors.Join(json.Unmarshal(jwks, &set), parsed.Claims(set, &got)); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(resp.AccessToken))
	want := map[string]any{
		"iss": issuer, "sub": "account-amy", "aud": "app", "nonce": "n-1", "fhirUser": issuer + "/fhir/Patient/amy",
		"iat": float64(start.Unix()), "exp": float64(start.Add(time.Hour).Unix()), "auth_time": float64(start.Add(-time.Minute).Unix()),
		"at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("id token (-want +got):\n%s", diff)
	}
}

func TestCodeAttacks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		claim              string
		client             string
		redirect, verifier string
		after              time.Duration
		says               string
		burned             bool // the code is used up by the attempt
	}{
		{"B8 a missing verifier", "app", redirect, "", 0, "code_verifier is missing", true},
		{"B8 a blank verifier", "app", redirect, "   ", 0, "43 to 128", true},
		{"B8 a short verifier", "app", redirect, verifier[:42], 0, "43 to 128", true},
		{"B8 a long verifier", "app", redirect, strings.Repeat("x", 129), 0, "43 to 128", true},
		{"B8 a verifier with other characters", "app", redirect, verifier + "+", 0, "43 to 128", true},
		{"B8 a wrong verifier", "app", redirect, verifier + "x", 0, "does not fit", true},
		{"B8 the challenge as verifier", "app", redirect, token.Challenge(verifier), 0, "does not fit", true},
		{"B7 no redirect_uri", "app", "", verifier, 0, "redirect_uri", true},
		{"B7 another redirect_uri", "app", redirect + "/", verifier, 0, "redirect_uri", true},
		{"B7 a code that has expired", "app", redirect, verifier, time.Minute, "expired", true},
		{"C8 another client's code", "evil", redirect, verifier, 0, "another client", false},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			s := simple(t)
			code := s.code(amys(t, wide))
			s.pass(tt.after)
			_, err := s.Exchange(t.Context(), app(t, tt.client, client.Public), code, tt.redirect, tt.verifier)
			is(t, err, oauth.InvalidGrant, tt.says)
			_, err = s.Exchange(t.Context(), app(t, "app", client.Public), code, redirect, verifier)
			if burned := err != nil; burned != tt.burned {
				t.Errorf("the code then gives %v", err)
			}
		})
	}
	t.Run("C8 codes that were never issued", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		code := s.code(amys(t, wide))
		c := app(t, "app", client.Public)
		for _, text := range []string{"", "x", code[:len(code)-1], code + "A", code[:30] + "!" + code[31:], "prt_" + code[4:], strings.ToLower(code), code[:len(code)-1] + "*", code[:28] + strings.Repeat("A", 44)} {
			_, err := s.Exchange(t.Context(), c, text, redirect, verifier)
			is(t, err, oauth.InvalidGrant, "unknown")
		}
		if _, err := s.Exchange(t.Context(), c, code, redirect, verifier); err != nil {
			t.Errorf("guesses used up the code: %v", err)
		}
	})
	t.Run("B8 a verifier of the longest kind is good", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		long := strings.Repeat("~", 128)
		a := amys(t, "patient/*.rs")
		text, op, err := s.New(a, token.Request{Redirect: redirect, Challenge: token.Challenge(long)})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Store.Apply(t.Context(), []store.Op{op}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Exchange(t.Context(), app(t, "app", client.Public), text, redirect, long); err != nil {
			t.Error(err)
		}
	})
	t.Run("C7 a client that may do less now gets less", func(t *testing.T) {
		t.Parallel()
		s := simple(t)
		c := app(t, "app", client.Public)
		c.Scopes = scopes(t, "patient/Observation.rs")
		if resp := s.exchange(c, amys(t, wide)); resp.Scope != "patient/Observation.rs" || resp.RefreshToken+resp.IDToken != "" {
			t.Errorf("got %+v", resp)
		}
		c.Scopes = scopes(t, "system/*.rs")
		_, err := s.Exchange(t.Context(), c, s.code(amys(t, wide)), redirect, verifier)
		is(t, err, oauth.InvalidGrant, "Nothing")
	})
}

func TestACodeThatIsUsedTwiceEndsEverything(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run("B7 on "+name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, open(t))
			c := app(t, "app", client.Public)
			code := s.code(amys(t, wide))
			resp, err := s.Exchange(t.Context(), c, code, redirect, verifier)
			if err != nil {
				t.Fatal(err)
			}
			s.works(t, resp.AccessToken, true)
			_, err = s.Exchange(t.Context(), c, code, redirect, verifier)
			is(t, err, oauth.InvalidGrant, "used before")
			s.works(t, resp.AccessToken, false)
			_, err = s.Refresh(t.Context(), c, resp.RefreshToken, "")
			is(t, err, oauth.InvalidGrant, "unknown")
		})
		t.Run("B7 of many at the same time at most one wins, on "+name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, open(t))
			c := app(t, "app", client.Public)
			code := s.code(amys(t, wide))
			type answer struct {
				resp *token.Response
				err  error
			}
			answers := make(chan answer)
			for range 6 {
				go func() {
					resp, err := s.Exchange(t.Context(), c, code, redirect, verifier)
					answers <- answer{resp, err}
				}()
			}
			won := 0
			for range 6 {
				a := <-answers
				if a.err == nil {
					won++
					continue
				}
				is(t, a.err, oauth.InvalidGrant, "")
			}
			if won > 1 {
				t.Errorf("%d won", won)
			}
		})
	}
}

// checkBirthday wants less scopes when the grant opens less, though all were agreed to.
func checkBirthday(t *testing.T, s *server, c *client.Client, a token.Authorization) {
	t.Helper()
	rules, err := policy.Default()
	if err != nil {
		t.Fatal(err)
	}
	s.Policy = rules
	const agreed = "offline_access patient/Observation.rs patient/Immunization.rs"
	a.Scopes = scopes(t, agreed)
	s.grants["grant"] = policy.Effective{Cells: rules.Columns["child"].Cells}
	child := s.exchange(c, a)
	s.grants["grant"] = policy.Effective{Cells: rules.Columns["limited"].Cells}
	teen, err := s.Refresh(t.Context(), c, child.RefreshToken, "")
	if err != nil {
		t.Fatal(err)
	}
	if child.Scope != agreed || teen.Scope != "offline_access patient/Immunization.rs" {
		t.Errorf("E11 the scopes are %q, after the birthday %q", child.Scope, teen.Scope)
	}
	a.Scopes = scopes(t, "patient/Observation.rs")
	_, err = s.Exchange(t.Context(), c, s.code(a), redirect, verifier)
	is(t, err, oauth.InvalidGrant, "may not act")
}

// checkTerms: what was kept for a proxy is no longer theirs once the grant was narrowed.
func checkTerms(t *testing.T, s *server, bearer string) {
	t.Helper()
	caller := func(terms string) string {
		e := s.grants["grant"]
		e.Terms = terms
		s.grants["grant"] = e
		a, err := s.Authenticate(t.Context(), bearer)
		if err != nil {
			t.Fatal(err)
		}
		return a.Caller()
	}
	if wide := caller("wide"); wide != caller("wide") || wide == caller("narrow") {
		t.Errorf("E11 the caller is %s, whatever the grant permits", wide)
	}
}

func TestAProxysTokenEndsWithWhatTheyMayDo(t *testing.T) {
	t.Parallel()
	s := simple(t)
	a := amys(t, wide)
	a.Kind, a.Actor, a.Grant = access.Proxy, fhir.Key{Type: "RelatedPerson", ID: "tom"}, "grant"
	c := app(t, "app", client.Public)
	_, err := s.Exchange(t.Context(), c, s.code(a), redirect, verifier)
	is(t, err, oauth.InvalidGrant, "may not act")
	s.grants["grant"] = policy.Effective{Until: start.Add(10 * time.Minute)}
	resp := s.exchange(c, a)
	if resp.ExpiresIn != 600 {
		t.Errorf("E11 the token lasts %d s, past the birthday in 600", resp.ExpiresIn)
	}
	s.works(t, resp.AccessToken, true)
	checkTerms(t, s, resp.AccessToken)
	checkBirthday(t, s, c, a)
	delete(s.grants, "grant")
	s.works(t, resp.AccessToken, false) // E11 at once
	_, err = s.Refresh(t.Context(), c, resp.RefreshToken, "")
	is(t, err, oauth.InvalidGrant, "may not act")
	if i, err := s.Introspect(t.Context(), resp.AccessToken); err != nil || cmp.Diff(new(token.Introspection), i) != "" {
		t.Errorf("C11 introspection says %+v, %v", i, err)
	}
	if i, err := s.Introspect(t.Context(), resp.RefreshToken); err != nil || i.Active {
		t.Errorf("C11 introspection says %+v, %v", i, err)
	}
	s.Grants = nil
	s.grants["grant"] = policy.Effective{}
	s.works(t, resp.AccessToken, false)
}
