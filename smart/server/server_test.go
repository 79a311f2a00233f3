package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/smart/server"
)

func TestDiscovery(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	strs := func(v any) (all []string) {
		list, _ := v.([]any)
		for _, one := range list {
			all = append(all, one.(string))
		}
		return all
	}
	has := func(t *testing.T, doc map[string]any, field string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !slices.Contains(strs(doc[field]), w) {
				t.Errorf("%s is %v, without %s", field, doc[field], w)
			}
		}
	}
	endpoints := func(t *testing.T, doc map[string]any) {
		t.Helper()
		for name, path := range map[string]string{
			"authorization_endpoint": "/auth/authorize", "token_endpoint": "/auth/token", "jwks_uri": "/auth/jwks",
			"introspection_endpoint": "/auth/introspect", "revocation_endpoint": "/auth/revoke", "issuer": "",
		} {
			if doc[name] != base+path {
				t.Errorf("A4 %s is %v", name, doc[name])
			}
		}
	}
	for _, path := range []string{"/fhir/.well-known/smart-configuration", "/portico/fhir/.well-known/smart-configuration"} {
		got := s.do(http.MethodGet, path, "", "Accept: text/turtle", "Origin: https://anybody.example")
		t.Run("A1 JSON whatever is accepted: "+path, func(t *testing.T) {
			t.Parallel()
			if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("got %d %v", got.StatusCode, got.Header)
			}
		})
		t.Run("A2 what must be there: "+path, func(t *testing.T) {
			t.Parallel()
			has(t, got.json, "grant_types_supported", "authorization_code", "client_credentials")
			if m := strs(got.json["code_challenge_methods_supported"]); !slices.Equal(m, []string{"S256"}) {
				t.Errorf("got %v", m)
			}
		})
		t.Run("A3 issuer and keys, since people sign in: "+path, func(t *testing.T) {
			t.Parallel()
			has(t, got.json, "capabilities", "sso-openid-connect")
			if got.json["issuer"] != base || got.json["jwks_uri"] != base+"/auth/jwks" {
				t.Errorf("got %v, %v", got.json["issuer"], got.json["jwks_uri"])
			}
		})
		t.Run("A4 URLs are absolute: "+path, func(t *testing.T) {
			t.Parallel()
			endpoints(t, got.json)
		})
		t.Run("A5 what goes with client-confidential-asymmetric: "+path, func(t *testing.T) {
			t.Parallel()
			has(t, got.json, "scopes_supported", "openid", "launch", "patient/*.rs", "system/*.rs")
			has(t, got.json, "token_endpoint_auth_methods_supported", "client_secret_basic", "client_secret_post", "private_key_jwt")
			has(t, got.json, "token_endpoint_auth_signing_alg_values_supported", "RS384", "ES384")
		})
		t.Run("A6 what should be there: "+path, func(t *testing.T) {
			t.Parallel()
			has(t, got.json, "response_types_supported", "code")
			if got.json["management_endpoint"] != base+"/auth/apps" {
				t.Errorf("got %v", got.json["management_endpoint"])
			}
		})
		t.Run("A7 capabilities of standalone launches: "+path, func(t *testing.T) {
			t.Parallel()
			has(
				t, got.json, "capabilities", "launch-standalone", "client-public", "client-confidential-symmetric", "client-confidential-asymmetric", "sso-openid-connect",
				"context-standalone-patient", "permission-offline", "permission-patient", "authorize-post", "permission-v2", "permission-v1",
			)
		})
		t.Run("A8 capabilities of EHR launches: "+path, func(t *testing.T) {
			t.Parallel()
			has(
				t, got.json, "capabilities", "launch-ehr", "client-confidential-symmetric", "client-confidential-asymmetric", "sso-openid-connect", "context-banner",
				"context-style", "context-ehr-patient", "context-ehr-encounter", "permission-offline", "permission-user", "authorize-post", "permission-v2", "permission-v1",
			)
		})
	}
	t.Run("A12 openid-configuration", func(t *testing.T) {
		t.Parallel()
		got := s.do(http.MethodGet, "/portico/.well-known/openid-configuration", "")
		if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("got %d %v", got.StatusCode, got.Header)
		}
		endpoints(t, got.json)
		has(t, got.json, "id_token_signing_alg_values_supported", "RS256")
		has(t, got.json, "subject_types_supported", "public")
		if got.json["userinfo_endpoint"] != base+"/auth/userinfo" {
			t.Errorf("got %v", got.json["userinfo_endpoint"])
		}
	})
	t.Run("A9 without pages nothing of people is advertised", func(t *testing.T) {
		t.Parallel()
		alone := *newSite(t).Server
		alone.Pages = nil
		rec := httptest.NewRecorder()
		alone.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/fhir/.well-known/smart-configuration", nil))
		var doc map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if doc["authorization_endpoint"] != nil || doc["management_endpoint"] != nil || slices.Contains(strs(doc["capabilities"]), "launch-standalone") || slices.Contains(strs(doc["grant_types_supported"]), "authorization_code") {
			t.Errorf("got %v", doc)
		}
	})
	t.Run("A13 the key set", func(t *testing.T) {
		t.Parallel()
		got := s.do(http.MethodGet, "/auth/jwks", "")
		keys, _ := got.json["keys"].([]any)
		if got.StatusCode != http.StatusOK || len(keys) != 1 || got.Header.Get("Cache-Control") != "public, max-age=3600" || got.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("got %d %s %v", got.StatusCode, got.body, got.Header)
		}
		one, _ := keys[0].(map[string]any)
		if one["kty"] != "RSA" || one["kid"] == "" || one["d"] != nil {
			t.Errorf("got %v", one)
		}
	})
	t.Run("A10 the endpoints of the CapabilityStatement", func(t *testing.T) {
		t.Parallel()
		want := server.URLs{
			Authorize: base + "/auth/authorize", Token: base + "/auth/token", Introspect: base + "/auth/introspect", Revoke: base + "/auth/revoke", Manage: base + "/auth/apps",
		}
		if got := s.URLs(); got != want {
			t.Errorf("got %+v", got)
		}
		below, exactly := s.Mounts()
		if !slices.Equal(below, []string{"/auth", "/portico/auth"}) || len(exactly) != 4 {
			t.Errorf("got %v, %v", below, exactly)
		}
	})
	t.Run("C4 the style", func(t *testing.T) {
		t.Parallel()
		if got := s.do(http.MethodGet, "/portico/auth/style.json", ""); got.StatusCode != http.StatusOK || got.json["color_text"] == nil {
			t.Errorf("got %d %s", got.StatusCode, got.body)
		}
	})
}

func TestEveryKindOfClientGetsTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, id := range []string{"public", "secret", "jwt"} {
		t.Run("B14 tokens, and new ones, for the client "+id, func(t *testing.T) {
			t.Parallel()
			s := &site{Server: s.Server, handler: s.handler, t: t}
			first := s.tokens(id)
			if first["token_type"] != "Bearer" || first["expires_in"] != 3600.0 || first["scope"] != wide || first["patient"] != "amy" || first["id_token"] == nil || first["need_patient_banner"] != true || first["smart_style_url"] != base+"/auth/style.json" {
				t.Errorf("got %v", first)
			}
			got := s.post("/auth/token", append(s.credentials(id), "grant_type", "refresh_token", "refresh_token", text(first["refresh_token"])))
			if got.StatusCode != http.StatusOK || got.json["scope"] != wide || got.json["patient"] != "amy" || got.json["refresh_token"] == nil ||
				got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Pragma") != "no-cache" {
				t.Errorf("got %d %s %v", got.StatusCode, got.body, got.Header)
			}
		})
	}
	t.Run("C3 tokens are not kept by caches", func(t *testing.T) {
		t.Parallel()
		s := &site{Server: s.Server, handler: s.handler, t: t}
		first := s.post("/auth/token", append(s.credentials("public"), "grant_type", "authorization_code", "code", s.code("public"), "redirect_uri", redirect, "code_verifier", verifier))
		second := s.post("/auth/token", append(s.credentials("public"), "grant_type", "refresh_token", "refresh_token", text(first.json["refresh_token"])))
		for _, got := range []reply{first, second} {
			if got.StatusCode != http.StatusOK || got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Pragma") != "no-cache" {
				t.Errorf("got %d %v", got.StatusCode, got.Header)
			}
		}
	})
	t.Run("C7 a public client need not name itself to refresh, others show their credentials", func(t *testing.T) {
		t.Parallel()
		s := &site{Server: s.Server, handler: s.handler, t: t}
		for id, want := range map[string]int{"public": http.StatusOK, "secret": http.StatusUnauthorized, "jwt": http.StatusUnauthorized} {
			got := s.post("/auth/token", []string{"grant_type", "refresh_token", "refresh_token", text(s.tokens(id)["refresh_token"])})
			if got.StatusCode != want {
				t.Errorf("%s: %d %s", id, got.StatusCode, got.body)
			}
		}
		s.post("/auth/token", []string{"grant_type", "refresh_token", "refresh_token", "x"}).wantError(t, 401, "invalid_client")
	})
	t.Run("C1 a secret in the header", func(t *testing.T) {
		t.Parallel()
		s := &site{Server: s.Server, handler: s.handler, t: t}
		req := &http.Request{Header: http.Header{}}
		req.SetBasicAuth("secret", url.QueryEscape(secret))
		got := s.post("/auth/token", []string{"grant_type", "client_credentials", "scope", "system/*.rs"}, "Authorization: "+req.Header.Get("Authorization"))
		if got.StatusCode != http.StatusOK {
			t.Errorf("got %d %s", got.StatusCode, got.body)
		}
		req.SetBasicAuth("secret", "wrong")
		got = s.post("/auth/token", []string{"grant_type", "client_credentials", "scope", "system/*.rs"}, "Authorization: "+req.Header.Get("Authorization"))
		got.wantError(t, http.StatusUnauthorized, "invalid_client")
		if !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("got %v", got.Header)
		}
	})
	t.Run("D6 a backend's token", func(t *testing.T) {
		t.Parallel()
		s := &site{Server: s.Server, handler: s.handler, t: t}
		got := s.post("/auth/token", append(s.credentials("backend"), "grant_type", "client_credentials", "scope", "system/Patient.rs"))
		delete(got.json, "access_token")
		want := map[string]any{"token_type": "Bearer", "expires_in": 300.0, "scope": "system/Patient.rs"}
		if diff := cmp.Diff(want, got.json); diff != "" {
			t.Errorf("%s (-want +got):\n%s", got.body, diff)
		}
	})
}

func TestTheTokenEndpointRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := []string{"grant_type", "client_credentials", "scope", "system/*.rs"}
	body := url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_id": {"secret"}, "client_secret": {secret}}.Encode()
	pub := s.credentials("public")
	for _, tt := range []struct {
		claim  string
		got    reply
		status int
		code   string
	}{
		{"D8 a GET", s.do(http.MethodGet, "/auth/token?"+body, ""), http.StatusMethodNotAllowed, "invalid_request"},
		{"D8 JSON", s.do(http.MethodPost, "/auth/token", `{"grant_type":"client_credentials"}`, "Content-Type: application/json"), 400, "invalid_request"},
		{"D8 no content type", s.do(http.MethodPost, "/auth/token", body), 400, "invalid_request"},
		{"D8 a multipart form", s.do(http.MethodPost, "/auth/token", body, "Content-Type: multipart/form-data; boundary=x"), 400, "invalid_request"},
		{"D8 parameters in the URL", s.do(http.MethodPost, "/auth/token?"+body, "", formType), 400, "invalid_request"},
		{"D8 no form", s.do(http.MethodPost, "/auth/token", "%zz", formType), 400, "invalid_request"},
		{"D8 an endless body", s.do(http.MethodPost, "/auth/token", strings.Repeat("a", 100_000), formType), 400, "invalid_request"},
		{"C12 a doubled parameter", s.post("/auth/token", append(s.credentials("backend"), append(good, "scope", "system/*.rs")...)), 400, "invalid_request"},
		{"C12 no grant_type", s.post("/auth/token", pub), 400, "invalid_request"},
		{"D2 an unknown grant_type", s.post("/auth/token", append(s.credentials("backend"), "grant_type", "password")), 400, "unsupported_grant_type"},
		{"D2 a bad client_assertion_type", s.post("/auth/token", append(good, "client_assertion_type", "x", "client_assertion", s.assertion("backend"))), 401, "invalid_client"},
		{"D2 a bad assertion", s.post("/auth/token", append(good, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "x")), 401, "invalid_client"},
		{"C8 no client", s.post("/auth/token", good), 401, "invalid_client"},
		{"C12 a grant that is not registered", s.post("/auth/token", append(pub, good...)), 400, "unauthorized_client"},
		{"C12 a code for a backend", s.post("/auth/token", append(s.credentials("backend"), "grant_type", "authorization_code", "code", "x")), 400, "unauthorized_client"},
		{"C12 no code", s.post("/auth/token", append(pub, "grant_type", "authorization_code")), 400, "invalid_request"},
		{"C8 an invalid code", s.post("/auth/token", append(pub, "grant_type", "authorization_code", "code", "x", "redirect_uri", redirect, "code_verifier", verifier)), 400, "invalid_grant"},
		{"C12 no refresh token", s.post("/auth/token", append(pub, "grant_type", "refresh_token")), 400, "invalid_request"},
		{"C8 an invalid refresh token", s.post("/auth/token", append(pub, "grant_type", "refresh_token", "refresh_token", "x")), 400, "invalid_grant"},
		{"B8 no verifier", s.post("/auth/token", append(pub, "grant_type", "authorization_code", "code", s.code("public"), "redirect_uri", redirect)), 400, "invalid_grant"},
		{"B8 the challenge as verifier", s.post("/auth/token", append(pub, "grant_type", "authorization_code", "code", s.code("public"), "redirect_uri", redirect, "code_verifier", request("", "").Get("code_challenge"))), 400, "invalid_grant"},
		{"C8 another client's code", s.post("/auth/token", append(s.credentials("jwt"), "grant_type", "authorization_code", "code", s.code("public"), "redirect_uri", redirect, "code_verifier", verifier)), 400, "invalid_grant"},
		{"D7 no scope", s.post("/auth/token", append(s.credentials("backend"), "grant_type", "client_credentials")), 400, "invalid_scope"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			tt.got.wantError(t, tt.status, tt.code)
		})
	}
	t.Run("D3 the same assertion twice", func(t *testing.T) {
		t.Parallel()
		s := &site{Server: s.Server, handler: s.handler, t: t}
		same := append(s.credentials("backend"), good...)
		if got := s.post("/auth/token", same); got.StatusCode != http.StatusOK {
			t.Errorf("got %d %s", got.StatusCode, got.body)
		}
		s.post("/auth/token", same).wantError(t, 401, "invalid_client")
	})
}

func TestAuthorizeTakesGETAndPOST(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/auth/authorize", "/portico/auth/authorize"} {
		get := s.do(http.MethodGet, path+"?"+request("public", "a b").Encode(), "")
		post := s.do(http.MethodPost, path, request("public", "a b").Encode(), formType)
		for _, got := range []reply{get, post} {
			if where, err := url.Parse(got.Header.Get("Location")); err != nil || where.Query().Get("code") == "" || where.Query().Get("state") != "a b" {
				t.Errorf("B1 got %d %s", got.StatusCode, got.Header.Get("Location"))
			}
		}
	}
}

func TestIntrospectionAndRevocation(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.tokens("public")
	at, rt := text(first["access_token"]), text(first["refresh_token"])
	bearer := "Authorization: Bearer " + at
	t.Run("C11", func(t *testing.T) {
		for claim, got := range map[string]reply{
			"a token of the app":    s.post("/auth/introspect", []string{"token", at}, bearer),
			"another client":        s.post("/auth/introspect", append(s.credentials("secret"), "token", at)),
			"a client with keys":    s.post("/auth/introspect", append(s.credentials("backend"), "token", at, "token_type_hint", "access_token")),
			"a hint that misleads":  s.post("/auth/introspect", append(s.credentials("backend"), "token", at, "token_type_hint", "refresh_token")),
			"the scheme in any way": s.post("/auth/introspect", []string{"token", at}, "Authorization: bearer "+at),
		} {
			if got.StatusCode != http.StatusOK || got.json["active"] != true || got.json["scope"] != wide || got.json["client_id"] != "public" || got.json["patient"] != "amy" || got.json["sub"] != "account-amy" || got.json["iss"] != base {
				t.Errorf("%s: got %d %s", claim, got.StatusCode, got.body)
			}
		}
		if got := s.post("/auth/introspect", []string{"token", "x"}, bearer); got.StatusCode != http.StatusOK || cmp.Diff(map[string]any{"active": false}, got.json) != "" {
			t.Errorf("an unknown token: %d %s", got.StatusCode, got.body)
		}
		s.post("/auth/introspect", nil, bearer).wantError(t, 400, "invalid_request")
		s.post("/auth/introspect", []string{"token", at}).wantError(t, 401, "invalid_client")
		s.post("/auth/introspect", append(s.credentials("public"), "token", at)).wantError(t, 401, "invalid_client")
		s.post("/auth/introspect", []string{"token", at}, "Authorization: Bearer x").wantError(t, 401, "invalid_token")
		s.post("/auth/introspect", []string{"token", at}, bearer, bearer).wantError(t, 400, "invalid_request")
	})
	t.Run("C6 userinfo", func(t *testing.T) {
		want := map[string]any{"sub": "account-amy", "fhirUser": base + "/fhir/Patient/amy"}
		for _, got := range []reply{s.do(http.MethodGet, "/auth/userinfo", "", bearer), s.post("/auth/userinfo", nil, bearer)} {
			if diff := cmp.Diff(want, got.json); diff != "" {
				t.Errorf("%d (-want +got):\n%s", got.StatusCode, diff)
			}
		}
		s.do(http.MethodGet, "/auth/userinfo", "").wantError(t, 401, "invalid_token")
		own := s.post("/auth/token", append(s.credentials("backend"), "grant_type", "client_credentials", "scope", "system/*.rs"))
		got := s.do(http.MethodGet, "/auth/userinfo", "", "Authorization: Bearer "+text(own.json["access_token"]))
		got.wantError(t, 403, "insufficient_scope")
		if !strings.Contains(got.Header.Get("WWW-Authenticate"), "insufficient_scope") {
			t.Errorf("got %v", got.Header)
		}
	})
	t.Run("C10 revocation", func(t *testing.T) {
		s.post("/auth/revoke", append(s.credentials("secret"), "token", rt)).wantError(t, 400, "invalid_grant")
		s.post("/auth/revoke", []string{"token", rt}).wantError(t, 401, "invalid_client")
		s.post("/auth/revoke", s.credentials("public")).wantError(t, 400, "invalid_request")
		if got := s.post("/auth/revoke", append(s.credentials("public"), "token", "unknown")); got.StatusCode != http.StatusOK {
			t.Errorf("got %d", got.StatusCode)
		}
		if got := s.post("/auth/revoke", append(s.credentials("public"), "token", rt, "token_type_hint", "refresh_token")); got.StatusCode != http.StatusOK || got.body != "" {
			t.Errorf("got %d %s", got.StatusCode, got.body)
		}
		s.do(http.MethodGet, "/auth/userinfo", "", bearer).wantError(t, 401, "invalid_token")
		s.post("/auth/token", append(s.credentials("public"), "grant_type", "refresh_token", "refresh_token", rt)).wantError(t, 400, "invalid_grant")
	})
}

func TestAnEHRLaunchesAnApp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	own := func(scope string) string {
		got := s.post("/auth/token", append(s.credentials("backend"), "grant_type", "client_credentials", "scope", scope))
		return "Authorization: Bearer " + text(got.json["access_token"])
	}
	const asJSON = "Content-Type: application/json"
	launch := func(body string, headers ...string) reply {
		return s.do(http.MethodPost, "/auth/launch", body, append([]string{asJSON}, headers...)...)
	}
	ehr := own("launch")
	var resp map[string]any
	for _, id := range []string{"public", "secret", "jwt"} {
		got := launch(`{"client_id":"`+id+`","user":"Patient/amy","patient":"amy","encounter":"e1","intent":"x","need_patient_banner":false,"fhirContext":[{"reference":"ImagingStudy/1"}]}`, ehr)
		if got.StatusCode != http.StatusCreated || got.json["expires_in"] != 300.0 || !strings.HasPrefix(text(got.json["launch_url"]), "https://app.example.org/launch?iss="+url.QueryEscape(base+"/fhir")+"&launch=") {
			t.Fatalf("B9 got %d %s", got.StatusCode, got.body)
		}
		resp = s.tokens(id, "launch", text(got.json["launch"]), "scope", "launch offline_access patient/*.rs")
		if resp["patient"] != "amy" || resp["encounter"] != "e1" || resp["intent"] != "x" || resp["need_patient_banner"] != false || resp["fhirContext"] == nil {
			t.Errorf("B9 got %v", resp)
		}
		again := s.post("/auth/token", append(s.credentials(id), "grant_type", "refresh_token", "refresh_token", text(resp["refresh_token"])))
		if again.StatusCode != http.StatusOK || again.json["encounter"] != "e1" {
			t.Errorf("B14 got %d %s", again.StatusCode, again.body)
		}
	}
	if got := launch(`{"client_id":"public","fhirContext":null}`, ehr); got.StatusCode != http.StatusCreated {
		t.Errorf("B9 got %d %s", got.StatusCode, got.body)
	}
	for _, tt := range []struct {
		claim  string
		got    reply
		status int
		code   string
	}{
		{"B9 nobody may launch", launch(`{"client_id":"public"}`), 401, "invalid_token"},
		{"B9 a backend without the scope", launch(`{"client_id":"public"}`, own("system/*.rs")), 403, "insufficient_scope"},
		{"B9 an app with the scope", launch(`{"client_id":"public"}`, "Authorization: Bearer "+text(resp["access_token"])), 403, "insufficient_scope"},
		{"B9 an unknown app", launch(`{"client_id":"nobody"}`, ehr), 400, "invalid_request"},
		{"B9 no JSON", launch(`x`, ehr), 400, "invalid_request"},
		{"B9 more than JSON", launch(`{"client_id":"public"} {}`, ehr), 400, "invalid_request"},
		{"B9 an unknown member", launch(`{"client_id":"public","practitioner":"x"}`, ehr), 400, "invalid_request"},
		{"B9 a user that is no reference", launch(`{"client_id":"public","user":"okafor"}`, ehr), 400, "invalid_request"},
		{"B9 a user elsewhere", launch(`{"client_id":"public","user":"https://x.example/Practitioner/1"}`, ehr), 400, "invalid_request"},
		{"B9 a form", s.post("/auth/launch", []string{"client_id", "public"}, ehr), 400, "invalid_request"},
		{"B9 an endless body", launch(`{"client_id":"`+strings.Repeat("x", 100_000)+`"}`, ehr), 400, "invalid_request"},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			tt.got.wantError(t, tt.status, tt.code)
		})
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const other, evil = "https://other.example.org", "https://evil.example"
	allowed := func(r reply) string { return r.Header.Get("Access-Control-Allow-Origin") }
	for _, path := range []string{"/auth/token", "/auth/revoke", "/auth/introspect", "/auth/userinfo"} {
		for from, want := range map[string]string{origin: origin, other: other, evil: "", "null": ""} {
			got := s.do(http.MethodOptions, path, "", "Origin: "+from, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")
			if got.StatusCode != http.StatusNoContent || allowed(got) != want || (got.Header.Get("Access-Control-Allow-Methods") != "") != (want != "") {
				t.Errorf("A11 a preflight of %s from %s: %d %v", path, from, got.StatusCode, got.Header)
			}
		}
	}
	for from, want := range map[string]string{origin: origin, other: "", evil: ""} {
		got := s.post("/auth/token", append(s.credentials("public"), "grant_type", "authorization_code", "code", s.code("public"), "redirect_uri", redirect, "code_verifier", verifier), "Origin: "+from)
		if got.StatusCode != http.StatusOK || allowed(got) != want || !strings.Contains(got.Header.Get("Vary"), "Origin") {
			t.Errorf("A11 tokens from %s: %d %v", from, got.StatusCode, got.Header)
		}
		info := s.do(http.MethodGet, "/auth/userinfo", "", "Origin: "+from, "Authorization: Bearer "+text(got.json["access_token"]))
		if info.StatusCode != http.StatusOK || allowed(info) != want {
			t.Errorf("A11 userinfo from %s: %d %v", from, info.StatusCode, info.Header)
		}
	}
	for _, path := range []string{"/auth/jwks", "/auth/style.json", "/.well-known/openid-configuration", "/fhir/.well-known/smart-configuration"} {
		if got := s.do(http.MethodOptions, path, "", "Origin: "+evil, "Access-Control-Request-Method: GET"); allowed(got) != "*" {
			t.Errorf("A11 a preflight of %s: %v", path, got.Header)
		}
	}
	if got := s.post("/auth/token", s.credentials("public"), "Origin: "+origin); allowed(got) != origin {
		t.Errorf("A11 an app cannot read what is wrong: %v", got.Header)
	}
}

func TestFaultsAreBland(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.Tokens.Store.Close(); err != nil {
		t.Fatal(err)
	}
	got := s.post("/auth/token", append(s.credentials("public"), "grant_type", "refresh_token", "refresh_token", "x"))
	got.wantError(t, http.StatusInternalServerError, "server_error")
	if strings.Contains(got.body, "store") || strings.Contains(got.body, "closed") {
		t.Errorf("got %s", got.body)
	}
}

// FuzzToken wants no form, with whatever headers, to make the server fail.
func FuzzToken(f *testing.F) {
	s := newSite(f)
	f.Add("grant_type=authorization_code&client_id=public&code=pac_x", "Basic YTpi", "application/x-www-form-urlencoded")
	f.Add("grant_type=client_credentials&client_assertion=a.b.c&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer", "", "application/x-www-form-urlencoded;charset=utf-8")
	f.Add(`{"client_id":"public"}`, "Bearer pat_", "application/json")
	f.Fuzz(func(t *testing.T, body, authorization, media string) {
		for _, path := range []string{"/auth/token", "/auth/introspect", "/auth/revoke", "/auth/userinfo", "/auth/launch"} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
			req.Header.Set("Content-Type", media)
			req.Header.Set("Authorization", authorization)
			rec := httptest.NewRecorder()
			s.handler.ServeHTTP(rec, req)
			if rec.Code >= 500 || rec.Code < 400 && path != "/auth/revoke" {
				t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
			}
		}
	})
}
