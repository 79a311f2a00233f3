package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/internal/patience"
)

const testBase = "http://localhost:8080/fhir"

// env is a server over the fake with a clock that stands still.
type env struct {
	*Server
	fake    *fake
	handler http.Handler
	log     *bytes.Buffer
}

// newEnv starts from a server that works; change, when not nil, makes it special.
func newEnv(t testing.TB, change func(*Server)) *env {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 890e6, time.UTC) }
	repo := newFake(now)
	cursors, err := search.NewCursors(make([]byte, 32), now)
	if err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	s := &Server{
		Base:       testBase,
		Repository: repo,
		Search:     &search.Parser{Base: testBase, Describe: repo.Describe, DefaultCount: 2, MaxCount: 100, Cursors: cursors},
		Validator:  &schema.Validator{Base: testBase},
		Metadata: func(mode string) (Statement, bool) {
			s, ok := map[string]Statement{
				"full":      {Body: []byte(`{"resourceType":"CapabilityStatement"}`), ETag: `W/"abc"`},
				"normative": {Body: []byte(`{"resourceType":"CapabilityStatement","title":"normative"}`), ETag: `W/"def"`},
			}[mode]
			return s, ok
		},
		Log:    slog.New(slog.NewJSONHandler(log, nil)),
		Now:    now,
		Limits: Limits{Timeout: patience.Limit},
	}
	if change != nil {
		change(s)
	}
	return &env{Server: s, fake: repo, handler: s.Handler(), log: log}
}

// do sends one request; headers come in pairs.
func (e *env) do(t testing.TB, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, b)
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Del(headers[i])
		if headers[i+1] != "" {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, r)
	return w
}

// seed writes Patient/1 in two versions, deletes Patient/2 and has Observation/o1 to o5.
func (e *env) seed(t testing.TB) *env {
	t.Helper()
	put := func(path, body string, want int) {
		t.Helper()
		if w := e.do(t, "PUT", path, body); w.Code != want {
			t.Fatalf("PUT %s: %d %s", path, w.Code, w.Body)
		}
	}
	put("/fhir/Patient/1", `{"resourceType":"Patient","id":"1","gender":"male"}`, 201)
	put("/fhir/Patient/1", `{"resourceType":"Patient","id":"1","gender":"female"}`, 200)
	put("/fhir/Patient/2", `{"resourceType":"Patient","id":"2"}`, 201)
	if w := e.do(t, "DELETE", "/fhir/Patient/2", ""); w.Code != 204 {
		t.Fatalf("DELETE: %d %s", w.Code, w.Body)
	}
	for _, id := range []string{"o1", "o2", "o3", "o4", "o5"} {
		put("/fhir/Observation/"+id, observation(id), 201)
	}
	return e
}

func observation(id string) string {
	return `{"resourceType":"Observation","id":"` + id + `","status":"final","code":{"text":"weight"}}`
}

// outcomeCode is the first issue code of an OperationOutcome, "" when the body is none.
func outcomeCode(t testing.TB, body []byte) fhir.IssueCode {
	t.Helper()
	var o struct {
		ResourceType string
		Issue        []struct {
			Severity string
			Code     fhir.IssueCode
			Details  struct{ Text string }
		}
	}
	if err := json.Unmarshal(body, &o); err != nil || o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 {
		return ""
	}
	if o.Issue[0].Severity == "" || o.Issue[0].Details.Text == "" {
		t.Errorf("outcome without severity or text: %s", body)
	}
	return o.Issue[0].Code
}
