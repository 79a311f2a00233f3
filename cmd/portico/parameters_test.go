package main

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store/memory"
)

// Parameters of one's own reach the chart map of a server, and what it makes of them its clients.
func TestParametersOfOnesOwnOnTypesOfTheEHR(t *testing.T) {
	t.Parallel()
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	server := wired(t, clinicConfig(authOff), st)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	for _, task := range server.Tasks {
		running.Go(func() { task(ctx) })
	}
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	h := server.Handler()
	ask := func(method, path, body string) (int, string) {
		w := asked(t, h, method, path, body)
		return w.Code, w.Body.String()
	}
	for code, definition := range map[string]string{
		"surname": `"base":["Patient"],"type":"string","expression":"Patient.name.family"`,
		"scar":    `"base":["Patient","Basic"],"type":"token","expression":"Patient.extension('urn:scar').value | Basic.extension('urn:scar').value"`,
	} {
		body := `{"resourceType":"SearchParameter","id":"` + code + `","url":"urn:p:` + code + `","name":"Own","status":"active","description":"x","code":"` + code + `",` + definition + `}`
		if status, answer := ask("PUT", "SearchParameter/"+code, body); status != 201 {
			t.Fatalf("G7.20 %s: %d %s", code, status, answer)
		}
	}
	var found string
	if !patience.Until(func() bool {
		var status int
		status, found = ask("GET", "Patient?surname=shaw&_sort=-surname,_id", "")
		ready, _ := ask("GET", "Basic?scar=x", "")
		return status == 200 && ready == 200
	}) {
		t.Fatalf("G7.20 the parameters do not become ready: %s", found)
	}
	if _, plain := ask("GET", "Patient?family=shaw&_sort=-family,_id", ""); !strings.Contains(found, "amy-shaw") || strings.Count(found, "fullUrl") != strings.Count(plain, "fullUrl") {
		t.Errorf("G7.20 a parameter that leads to a field of the EHR finds %s", found)
	}
	if status, answer := ask("GET", "Patient?scar=x", ""); status != 400 || !strings.Contains(answer, "no rule of the chart map") {
		t.Errorf("G7.20 one that leads nowhere: %d %s", status, answer)
	}
	_, metadata := ask("GET", "metadata", "")
	if strings.Count(metadata, `"urn:p:surname"`) != 1 || strings.Count(metadata, `"urn:p:scar"`) != 1 {
		t.Errorf("G7.20 the parameters are declared %d and %d times, want once each", strings.Count(metadata, `"urn:p:surname"`), strings.Count(metadata, `"urn:p:scar"`))
	}
}
