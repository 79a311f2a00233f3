package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/store/memory"
)

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
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Metrics.Serve(ctx, ln) }()
	res, err := http.Get("http://" + ln.Addr().String() + "/metrics") //nolint:noctx // the listener is the test's own
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`portico_chart_faults_total{element="Patient.birthDate",map="patient"} 1`, `portico_chart_faults_total{element="Patient.gender",map="patient"} 1`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
