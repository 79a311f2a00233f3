package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
)

// patientToken is Amy's, of the demo app.
func patientToken(b testing.TB, st store.Store, base string) string {
	b.Helper()
	scopes, _ := scope.Parse("launch/patient patient/*.rs") // no id token: that would want keys
	return personToken(b, st, base, token.Authorization{
		Kind: access.Patient, Account: "amy", Actor: fhir.Key{Type: "Patient", ID: "amy-shaw"}, Patient: "amy-shaw", Scopes: scopes,
	})
}

// proxyToken is Tom's, for Max: each request looks at his grant, and at how old Max is.
func proxyToken(b testing.TB, st store.Store, base string) string {
	b.Helper()
	scopes, _ := scope.Parse("launch/patient patient/*.rs")
	who := token.Authorization{
		Kind: access.Proxy, Account: "tom", Actor: fhir.Key{Type: "RelatedPerson", ID: "tom-shaw-for-max"}, Patient: "max-shaw", Scopes: scopes,
	}
	for doc, err := range st.Find(b.Context(), store.Query{Collection: "portico_grants"}) {
		if err != nil {
			b.Fatal(err)
		}
		if store.Lookup(doc, "patient").StringValue() == "max-shaw" {
			who.Grant = store.Lookup(doc, "_id").StringValue()
		}
	}
	return personToken(b, st, base, who)
}

// granted has a grant of everything, for a token to be made: what it is good for is
// looked up when it is used.
type granted struct{}

func (granted) Live(context.Context, string) (policy.Effective, bool, error) {
	return policy.Effective{}, true, nil
}

// personToken is that of somebody who let the demo app in.
func personToken(b testing.TB, st store.Store, base string, who token.Authorization) string {
	b.Helper()
	tokens := &token.Tokens{Store: st, Issuer: base, FHIR: base + "/fhir", Grants: granted{}, Policy: new(policy.Policy)}
	challenge := sha256.Sum256([]byte(strings.Repeat("v", 43)))
	who.Client, who.AuthTime = "demo-public", time.Now()
	code, op, err := tokens.New(who, token.Request{Redirect: base + "/demo/callback", Challenge: base64.RawURLEncoding.EncodeToString(challenge[:])})
	if err != nil {
		b.Fatal(err)
	}
	if err := st.Apply(b.Context(), []store.Op{op}); err != nil {
		b.Fatal(err)
	}
	app, err := (&client.Registry{Store: st}).Get(b.Context(), "demo-public")
	if err != nil {
		b.Fatal(err)
	}
	app.Scopes = who.Scopes
	got, err := tokens.Exchange(b.Context(), app, code, base+"/demo/callback", strings.Repeat("v", 43))
	if err != nil {
		b.Fatal(err)
	}
	return got.AccessToken
}

// backendToken is that of a backend service with the demo's secret.
func backendToken(b testing.TB, handler http.Handler, id, scopes string) string {
	b.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scopes}}
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/auth/token", strings.NewReader(form.Encode()))
	r.Host = "localhost:8080"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, demoSecret)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	var t struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &t); err != nil || t.AccessToken == "" {
		b.Fatalf("%v: %s", err, w.Body)
	}
	return t.AccessToken
}
