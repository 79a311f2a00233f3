package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir/rest"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/store/sqlite"
)

// scraped is what Prometheus would get.
func scraped(t *testing.T, m *rest.Metrics) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Serve(ctx, ln) }()
	res, err := http.Get("http://" + ln.Addr().String() + "/metrics") //nolint:noctx // the listener is the test's own
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return string(body)
}

// What the EHR holds that no rule can read is counted, by the rule.
func TestMalformedDocumentsAreCounted(t *testing.T) {
	t.Parallel()
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	c := clinicConfig(authOff)
	c.Metrics.Listen = "127.0.0.1:0"
	server := wired(t, c, st)
	if w := asked(t, server.Handler(), http.MethodGet, "Patient/fbad00000000000000000009", ""); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	body := scraped(t, server.Metrics)
	for _, want := range []string{`portico_chart_faults_total{element="Patient.birthDate",map="patient"} 1`, `portico_chart_faults_total{element="Patient.gender",map="patient"} 1`} {
		if !strings.Contains(body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	c := clinicConfig(authOff)
	c.Metrics.Listen = "127.0.0.1:0"
	server := wired(t, c, st)
	countCommits(server.Metrics, st)
	h := server.Handler()
	asked(t, h, http.MethodGet, "Patient/fbad00000000000000000009", "")
	asked(t, h, http.MethodPost, "", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/none"}}]}`)
	var served []string
	for _, name := range regexp.MustCompile(`(?m)^# TYPE (portico_\w+)`).FindAllStringSubmatch(scraped(t, server.Metrics), -1) {
		served = append(served, name[1])
	}
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for row := range strings.Lines(string(doc)) {
		if first, _, ok := strings.Cut(strings.TrimPrefix(row, "| "), " |"); ok && strings.HasPrefix(row, "| `portico_") {
			documented = append(documented, regexp.MustCompile(`portico_\w+`).FindAllString(first, -1)...)
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	if diff := cmp.Diff(served, slices.Compact(documented)); diff != "" {
		t.Errorf("docs/operations.md lists other metrics than there are (-served +documented):\n%s", diff)
	}
}
