package rest

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/portico-fhir/portico/fhir/search"
)

// FuzzRequest: whatever a client sends, the answer is proper: never a 500, and every
// error an OperationOutcome.
func FuzzRequest(f *testing.F) {
	for _, s := range [][5]string{
		{"GET", "/fhir/Patient/1", "", "application/fhir+json", ""},
		{"GET", "/fhir/Patient?_id=1&_count=2&_format=json", "", "*/*;q=0.1, text/html", "handling=lenient"},
		{"POST", "/fhir/Patient/_search?_pretty=true", "_id=1", "", ""},
		{"PUT", "/fhir/Patient/1", `{"resourceType":"Patient","id":"1"}`, "", "return=minimal"},
		{"DELETE", "/fhir/Patient/1/_history/2/", "", "application/*", ""},
		{"GET", "/fhir/%50atient/%2e%2e/?_since=2020-01-01T00:00:00Z", "", "", ""},
		{"GET", "/fhir/Patient/1/*?_type=Observation,Patient&_elements=subject,Patient.gender&_count=1", "", "", ""},
		{"POST", "/fhir/_search?_type=Patient,Observation", "_summary=data&_id=1,o1", "", ""},
		{"GET", "/fhir/Patient/1/$everything?start=2020&_since=2020-01-01T00:00:00Z&_type=Observation&_summary=true", "", "", ""},
		{"POST", "/fhir/Observation/$lastn?max=2", `{"resourceType":"Parameters","parameter":[{"name":"subject","valueString":"1"},{"name":"code","valueString":"c"}]}`, "", ""},
		{"GET", "/fhir/Patient/1/$meta", "", "", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	e := newEnv(f, func(s *Server) { s.Limits.Body = 1 << 16; s.Log = nil }).seed(f)
	f.Fuzz(func(t *testing.T, method, path, body, accept, prefer string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !token(method) || strings.ContainsAny(accept+prefer, "\r\n\x00") {
			t.Skip("net/http lets none of that through")
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, path
		r.Header.Set("Accept", accept)
		r.Header.Set("Prefer", prefer)
		r.Header.Set("If-None-Match", accept)
		r.Header.Set("Forwarded", prefer)
		r.Header.Set("Content-Type", "application/fhir+json")
		if strings.Contains(path, "_search") {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w := httptest.NewRecorder()
		e.handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		if got := w.Body.Bytes(); len(got) > 0 && !json.Valid(got) {
			t.Errorf("%s %s: not JSON: %s", method, path, got)
		}
		if w.Code >= 400 && method != "HEAD" && !bytes.Contains(w.Body.Bytes(), []byte(`"OperationOutcome"`)) {
			t.Errorf("%s %s: %d without an outcome: %s", method, path, w.Code, w.Body)
		}
	})
}

func token(s string) bool {
	for _, c := range s {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return s != ""
}

// FuzzLink: parameters come back from a link as they went in.
func FuzzLink(f *testing.F) {
	f.Add("_id", "1,2|3 &=%+é\"\\")
	f.Fuzz(func(t *testing.T, name, value string) {
		in := []search.Pair{{Name: name, Value: value}, {Name: "last", Value: "x"}}
		link := string(appendLink(nil, "http://h/fhir", "Patient", in))
		_, query, _ := strings.Cut(link, "?")
		out, err := parseQuery(nil, query)
		if err != nil {
			if !utf8.ValidString(name) || !utf8.ValidString(value) {
				return
			}
			t.Fatal(err)
		}
		if len(out) != 2 || out[0] != in[0] || strings.ContainsAny(link, "\"\\ <>") {
			t.Errorf("%q gave %q", in, out)
		}
	})
}
