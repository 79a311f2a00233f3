package rest

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	for _, x := range []exchange{
		{
			claim: "G7.1 GET finds with absolute fullUrl and mode match", method: "GET", path: "/fhir/Patient?_id=1", status: 200,
			contains: []string{`"type":"searchset"`, `"fullUrl":"http://localhost:8080/fhir/Patient/1","resource":{"resourceType":"Patient"`, `"search":{"mode":"match"}`},
		},
		{
			claim: "G7.1 POST _search combines query and form", method: "POST", path: "/fhir/Patient/_search?_id=1", body: "_total=accurate", headers: form, status: 200,
			contains: []string{`"total":1`, `{"relation":"self","url":"http://localhost:8080/fhir/Patient?_id=1&_total=accurate"}`},
		},
		{claim: "G7.1 POST _search takes nothing but a form", method: "POST", path: "/fhir/Patient/_search", body: "{}", status: 415, code: fhir.CodeNotSupported},
		{claim: "G7.1 GET _search is 405", method: "GET", path: "/fhir/Patient/_search", status: 405, code: fhir.CodeNotSupported, header: map[string]string{"Allow": "POST, OPTIONS"}},
		{claim: "G7.1 a search that finds nothing has no entry", method: "GET", path: "/fhir/Patient?_id=nobody", status: 200, contains: []string{`]}`}},
		{
			claim: "G7.2 the self link shows what was used, encoded", method: "GET", path: "/fhir/Patient?_id=1,%22&_format=json", status: 200,
			contains: []string{`{"relation":"self","url":"http://localhost:8080/fhir/Patient?_id=1,%22&_format=json"}`},
		},
		{claim: "G7.2 a forged cursor is 400", method: "GET", path: "/fhir/Patient?_cursor=abc", status: 400, code: fhir.CodeInvalid},
		{claim: "G7.3 an unknown parameter is 400", method: "GET", path: "/fhir/Patient?nmae=x", status: 400, code: fhir.CodeNotSupported},
		{
			claim: "G7.3 handling=lenient ignores it, says so and drops it from the self link", method: "GET", path: "/fhir/Patient?nmae=x&_id=1", headers: []string{"Prefer", "handling=lenient"}, status: 200,
			contains: []string{`Patient?_id=1"}`, `"severity":"warning"`, `"search":{"mode":"outcome"}`},
		},
		{claim: "G7.3 an unknown handling is 400", method: "GET", path: "/fhir/Patient", headers: []string{"Prefer", "handling=xyz"}, status: 400, code: fhir.CodeInvalid},
		{claim: "G7.14 _count=0 counts only", method: "GET", path: "/fhir/Observation?_count=0", status: 200, contains: []string{`"total":5`}},
		{claim: "G7.14 a negative _count is 400", method: "GET", path: "/fhir/Observation?_count=-1", status: 400, code: fhir.CodeInvalid},
	} {
		t.Run(x.claim, func(t *testing.T) {
			t.Parallel()
			x.check(t, newEnv(t, nil).seed(t))
		})
	}
}

// searchset is what the tests read of a Bundle.
type searchset struct {
	Type  string
	Total *int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		FullURL  string
		Resource struct{ ResourceType, ID string }
		Search   struct{ Mode string }
	}
}

func (b searchset) next() string {
	for _, l := range b.Link {
		if l.Relation == "next" {
			return l.URL
		}
	}
	return ""
}

func TestPaging(t *testing.T) {
	t.Parallel()
	t.Run("G7.14 a next link that no header holds is refused, and a page that has all is not", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, nil).seed(t)
		form := "_id=o1,o2,o3" + strings.Repeat(","+strings.Repeat("a", 60), 500)
		headers := []string{"Content-Type", "application/x-www-form-urlencoded"}
		if w := e.do(t, "POST", "/fhir/Observation/_search?_count=2", form, headers...); w.Code != 400 || !strings.Contains(w.Body.String(), "_count") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		w := e.do(t, "POST", "/fhir/Observation/_search?_count=3", form, headers...)
		var b searchset
		if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || len(b.Entry) != 3 || b.next() != "" {
			t.Errorf("%v %d %.500s", err, w.Code, w.Body)
		}
	})
	t.Run("G7.14 the union of the pages is everything, once", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, nil).seed(t)
		var got []string
		for at := "/fhir/Observation?_count=2"; at != ""; {
			w := e.do(t, "GET", at, "")
			var b searchset
			if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || w.Code != 200 {
				t.Fatalf("%d %v: %s", w.Code, err, w.Body)
			}
			for _, entry := range b.Entry {
				got = append(got, entry.Resource.ID)
			}
			at = ""
			if next, err := url.Parse(b.next()); err == nil && b.next() != "" {
				at = next.RequestURI()
			}
		}
		if want := "o1 o2 o3 o4 o5"; strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	})
	t.Run("G7.14 a Bundle larger than the buffer arrives whole", func(t *testing.T) {
		t.Parallel()
		for _, headers := range [][]string{nil, {"Accept-Encoding", "gzip"}} {
			e := newEnv(t, nil)
			text := strings.Repeat("x", 10<<10)
			for i := range 20 {
				e.do(t, "POST", "/fhir/Patient", `{"resourceType":"Patient","language":"`+string(rune('a'+i))+text+`"}`)
			}
			for _, query := range []string{"_count=50", "_count=50&_pretty=true"} {
				w := e.do(t, "GET", "/fhir/Patient?"+query, "", headers...)
				var b searchset
				if err := json.Unmarshal(plain(t, w), &b); err != nil || len(b.Entry) != 20 {
					t.Fatalf("%s %v: %v, %d entries", query, headers, err, len(b.Entry))
				}
			}
		}
	})
}
