package rest

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

func TestHistoryPages(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil).seed(t)
	if w := e.do(t, "PATCH", "/fhir/Patient/1", `[{"op":"replace","path":"/gender","value":"other"}]`, "Content-Type", "application/json-patch+json"); w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	if w := e.do(t, "POST", "/fhir/Patient", `{"resourceType":"Patient"}`); w.Code != 201 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	type page struct {
		Link  []struct{ Relation, URL string }
		Entry []struct {
			Request  struct{ Method, URL string }
			Response struct{ Status string }
		}
	}
	next := func(p page) string {
		for _, l := range p.Link {
			if l.Relation == "next" {
				return strings.TrimPrefix(l.URL, "http://localhost:8080")
			}
		}
		return ""
	}
	get := func(path string) (p page) {
		w := e.do(t, "GET", path, "")
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Run("G1.5 next links lead through the history of a type", func(t *testing.T) {
		var got []string
		for path := "/fhir/Patient/_history?_count=2&_at=2026"; path != ""; {
			p := get(path)
			for _, x := range p.Entry {
				got = append(got, x.Request.Method+" "+x.Request.URL+" "+x.Response.Status)
			}
			path = next(p)
		}
		want := "POST Patient 201|DELETE Patient/2 204|PUT Patient/2 201|PATCH Patient/1 200|PUT Patient/1 200|PUT Patient/1 201"
		if strings.Join(got, "|") != want {
			t.Errorf("got %v\nwant %s", got, want)
		}
	})
	t.Run("G1.5 a cursor is good for its own history only", func(t *testing.T) {
		u, err := url.Parse(next(get("/fhir/Patient/_history?_count=2")))
		if err != nil {
			t.Fatal(err)
		}
		token := u.Query().Get("_cursor")
		for path, want := range map[string]int{
			"/fhir/Patient/_history?_count=3&_cursor=":                             200,
			"/fhir/Observation/_history?_count=2&_cursor=":                         400,
			"/fhir/_history?_count=2&_cursor=":                                     400,
			"/fhir/Patient/1/_history?_count=2&_cursor=":                           400,
			"/fhir/Patient/_history?_count=2&_since=2020-01-01T00:00:00Z&_cursor=": 400,
		} {
			if w := e.do(t, "GET", path+token, ""); w.Code != want || want == 400 && outcomeCode(t, w.Body.Bytes()) != fhir.CodeInvalid {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}
