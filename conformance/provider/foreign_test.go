package provider

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/foreign"
	"github.com/portico-fhir/portico/smart/jwks"
	"github.com/portico-fhir/portico/smart/scope"
)

const fhirBase = "https://fhir.clinic.example/fhir"

// resources is the example's storage as that of a server whose access tokens are JWTs
// for a FHIR server. Its one client gets tokens for the subject.
type resources struct {
	*hospital
	subject string
}

// jwtClient gets JWTs.
type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (r *resources) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := r.hospital.ClientCredentials(ctx, id, secret)
	return jwtClient{c}, err
}

func (r *resources) ClientCredentialsTokenRequest(_ context.Context, _ string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: r.subject, Scopes: scopes, Audience: oidc.Audience{fhirBase}}, nil
}

func (r *resources) GetPrivateClaimsFromScopes(_ context.Context, user, _ string, _ []string) (map[string]any, error) {
	all := map[string]any{"scope": "system/*.rs"}
	for k, v := range claims(user) {
		all["scope"] = "user/*.rs"
		all[k] = v
	}
	return all, nil
}

// tokenFor has the provider issue an access token; accept takes it.
func tokenFor(t *testing.T, subject string) (token string, accept *foreign.Tokens) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	issuer := strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/"
	handler = exampleop.SetupServer(issuer, &resources{&hospital{storage.NewStorage(users{}), false}, subject}, slog.New(slog.NewTextHandler(io.Discard, nil)), false)
	resp, err := http.PostForm(issuer+"oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"sid1"}, "client_secret": {"verysecret"}, "scope": {"x"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || strings.Count(got.AccessToken, ".") != 2 {
		t.Fatalf("%s: %+v, %v", resp.Status, got, err)
	}
	scopes, _ := scope.Parse("user/*.rs system/*.rs")
	i := foreign.Issuer{
		URL: issuer, Audience: fhirBase, KeysURL: issuer + "keys", Scopes: scopes, System: true,
		Who: func(_ context.Context, claims map[string]any) (fhir.Key, error) {
			if id, ok := claims["hpr"].(string); ok {
				return fhir.Key{Type: "Practitioner", ID: id}, nil
			}
			return fhir.Key{}, nil
		},
	}
	if err := i.Validate(); err != nil {
		t.Fatal(err)
	}
	return got.AccessToken, &foreign.Tokens{Issuers: []foreign.Issuer{i}, FHIR: fhirBase, Keys: &jwks.Fetcher{Loopback: true, Timeout: patience.Limit}}
}

func TestAccessTokensOfAProvider(t *testing.T) {
	for subject, want := range map[string]struct {
		kind   access.Kind
		actor  fhir.Key
		scopes string
	}{
		"okafor": {access.Clinician, fhir.Key{Type: "Practitioner", ID: "2601234"}, "user/*.rs"},
		"sid1":   {access.System, fhir.Key{}, "system/*.rs"},
	} {
		t.Run("E1 "+subject, func(t *testing.T) {
			token, accept := tokenFor(t, subject)
			got, err := accept.Authenticate(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind != want.kind || got.Actor != want.actor || got.Scopes.String() != want.scopes || got.Client != "sid1" {
				t.Errorf("got %+v", got)
			}
			_, other := tokenFor(t, subject)
			if got, err := other.Authenticate(t.Context(), token); err == nil {
				t.Errorf("another issuer's token is accepted: %+v", got)
			}
			accept.Issuers[0].Audience = "https://other.example/fhir"
			accept = &foreign.Tokens{Issuers: accept.Issuers, FHIR: fhirBase, Keys: &jwks.Fetcher{Loopback: true, Timeout: patience.Limit}}
			if got, err := accept.Authenticate(t.Context(), token); err == nil {
				t.Errorf("a token for another server is accepted: %+v", got)
			}
		})
	}
}
