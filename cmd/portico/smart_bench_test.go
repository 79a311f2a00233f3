//go:build unix

package main

import (
	"encoding/json"
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
			c := clinicConfig(auth)
			handler := wired(b, c, st).Handler()
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
			for name, path := range benchmarked(b, handler, auth) {
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
func benchmarked(b *testing.B, handler http.Handler, auth string) map[string]string {
	one := ""
	for range 60 {
		one = kept(b, handler, auth)
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
func kept(b testing.TB, handler http.Handler, auth string) string {
	b.Helper()
	var headers []string
	if auth == authSMART {
		headers = []string{"Authorization", "Bearer " + backendToken(b, handler, "demo-script", "system/*.cruds")}
	}
	w := asked(b, handler, http.MethodPost, "Condition", `{"resourceType":"Condition","subject":{"reference":"Patient/amy-shaw"},"code":{"text":"`+strings.Repeat("x", 1300)+`"}}`, headers...)
	var made struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
		b.Fatalf("%d %s", w.Code, w.Body)
	}
	return "Condition/" + made.ID
}
