//go:build unix

package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

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
