package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/sqlite"
)

// BenchmarkRead is a read, or a search, through the whole server but for the network,
// without authorization and with a patient's token: what SMART costs is the difference.
func BenchmarkRead(b *testing.B) {
	for _, auth := range []string{authOff, authSMART} {
		b.Run(auth, func(b *testing.B) {
			st, err := sqlite.Open(b.TempDir(), sqlite.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = st.Close() })
			c := defaultConfig()
			c.Auth, c.Demo, c.BaseURL = auth, true, "http://localhost:8080"
			server, err := wire(b.Context(), c, st, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			handler := server.Handler()
			bearer := ""
			if auth == authSMART {
				bearer = "Bearer " + patientToken(b, st, c.BaseURL)
			}
			if auth == authSMART {
				b.Run("mapped-proxy", func(b *testing.B) {
					r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/fhir/Patient/max-shaw", nil)
					r.Host = "localhost:8080"
					r.Header.Set("Authorization", "Bearer "+proxyToken(b, st, c.BaseURL))
					measure(b, handler, r)
				})
			}
			for name, path := range benchmarked(b, handler, c.BaseURL, auth) {
				b.Run(name, func(b *testing.B) {
					r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
					r.Host = "localhost:8080"
					if bearer != "" {
						r.Header.Set("Authorization", bearer)
					}
					measure(b, handler, r)
				})
			}
		})
	}
}

// benchmarked are paths below the server, by what they ask for: of the EHR and of records. With
// authorization, the last two ask the same without naming the patient.
func benchmarked(b *testing.B, handler http.Handler, base, auth string) map[string]string {
	one := ""
	for range 60 {
		one = kept(b, handler, base, auth)
	}
	paths := map[string]string{
		"mapped": "/fhir/Patient/amy-shaw", "record": "/fhir/" + one,
		"search-mapped": "/fhir/Observation?patient=amy-shaw&code=http://loinc.org|85354-9&_sort=-date&_count=10",
		"search-record": "/fhir/Condition?patient=amy-shaw&_count=20",
	}
	for name, other := range map[string]string{"unnamed-mapped": "search-mapped", "unnamed-record": "search-record"} {
		paths[name] = paths[other]
		if auth == authSMART {
			paths[name] = strings.Replace(paths[other], "patient=amy-shaw&", "", 1)
		}
	}
	return paths
}

// processor is the time that all threads of this process have used.
func processor(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// measure sends a request again and again. The time that counts is that of the processor,
// of the whole process.
func measure(b *testing.B, handler http.Handler, r *http.Request) {
	b.ReportAllocs()
	before := processor(b)
	for b.Loop() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	b.ReportMetric(float64((processor(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

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

// kept makes a resource of Amy's record that is not the EHR's.
func kept(b testing.TB, handler http.Handler, base, auth string) string {
	b.Helper()
	do := func(path, contentType, body string, set func(*http.Request)) []byte {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, strings.NewReader(body))
		r.Host = "localhost:8080"
		r.Header.Set("Content-Type", contentType)
		set(r)
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code > 299 {
			b.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return w.Body.Bytes()
	}
	bearer := func(*http.Request) {}
	if auth == authSMART {
		token := backendToken(b, handler, "demo-script", "system/*.cruds")
		bearer = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	var made struct{ ID string }
	body := do("/fhir/Condition", "application/fhir+json", `{"resourceType":"Condition","subject":{"reference":"Patient/amy-shaw"},"code":{"text":"`+strings.Repeat("x", 1300)+`"}}`, bearer)
	if err := json.Unmarshal(body, &made); err != nil {
		b.Fatal(err)
	}
	return "Condition/" + made.ID
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
