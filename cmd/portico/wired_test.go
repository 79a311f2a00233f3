package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir/rest"
	"github.com/portico-fhir/portico/store"
)

// clinicConfig is that of the demo clinic, at the address that asked sends its requests to.
func clinicConfig(auth string) Config {
	c := defaultConfig()
	c.Demo, c.Auth, c.BaseURL = true, auth, "http://localhost:8080"
	return c
}

// wired puts a server together over a store, as portico serve does it, without a network.
func wired(tb testing.TB, c Config, st store.Store) *rest.Server {
	tb.Helper()
	server, _, err := wire(tb.Context(), c, st, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	return server
}

// asked gives what a wired server answers to a request for a path below /fhir. Headers
// are names and values in turn; a body is JSON unless they say otherwise.
func asked(tb testing.TB, handler http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), method, "http://localhost:8080/fhir/"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}
