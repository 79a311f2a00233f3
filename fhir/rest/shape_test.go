package rest

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

const subsetted = `"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]`

func TestShapes(t *testing.T) {
	t.Parallel()
	for _, x := range []exchange{
		{
			claim: "G7.15 a search takes _summary and its links keep it", method: "GET", path: "/fhir/Observation?_summary=true&_count=1", status: 200,
			contains: []string{subsetted, `Observation?_summary=true&_count=1"}`, `Observation?_summary=true&_count=1&_cursor=`},
		},
		{
			claim: "G7.15 _elements keeps what is mandatory", method: "GET", path: "/fhir/Observation?_elements=subject&_id=o1", status: 200,
			contains: []string{subsetted, `"status":"final","code":{"text":"weight"}}`},
		},
		{claim: "G7.15 _summary=count counts only", method: "GET", path: "/fhir/Observation?_summary=count", status: 200, contains: []string{`"total":5`, `]}`}},
		{claim: "G7.15 _summary=false is all", method: "GET", path: "/fhir/Patient?_summary=false", status: 200, contains: []string{`"meta":{"versionId":"2"},"gender":"female"`}},
		{claim: "G7.15 _elements and _summary are 400", method: "GET", path: "/fhir/Patient?_elements=name&_summary=true", status: 400, code: fhir.CodeInvalid},
		{claim: "G7.15 an unknown element is 400 and names the nearest", method: "GET", path: "/fhir/Patient?_elements=gendre", status: 400, code: fhir.CodeInvalid, contains: []string{`gender`}},
		{claim: "G7.15 an unknown _summary is 400", method: "GET", path: "/fhir/Patient?_summary=some", status: 400, code: fhir.CodeInvalid},
		{
			claim: "G7.15 a read takes _elements", method: "GET", path: "/fhir/Patient/1?_elements=name", status: 200, header: map[string]string{"ETag": `W/"2"`},
			contains: []string{`{"resourceType":"Patient","id":"1","meta":{"versionId":"2",` + subsetted + `}}`},
		},
		{claim: "G7.15 a vread takes _summary", method: "GET", path: "/fhir/Patient/1/_history/1?_summary=text", status: 200, contains: []string{`"versionId":"1",` + subsetted + `}}`}},
		{claim: "G7.15 metadata takes _elements", method: "GET", path: "/fhir/metadata?_elements=software", status: 200, header: map[string]string{"ETag": `W/"abc"`}, contains: []string{`{"resourceType":"CapabilityStatement","meta":{` + subsetted + `}}`}},
		{claim: "G7.15 metadata checks the names of elements", method: "GET", path: "/fhir/metadata?_elements=sofware", status: 400, code: fhir.CodeInvalid},
		{claim: "G7.15 a read checks the names of elements", method: "GET", path: "/fhir/Patient/1?_elements=gendre", status: 400, code: fhir.CodeInvalid},
		{claim: "G7.15 a read takes nothing else", method: "GET", path: "/fhir/Patient/1?_elements=name&_count=1", status: 400, code: fhir.CodeInvalid},
		{
			claim: "G7.15 a history takes _elements", method: "GET", path: "/fhir/Patient/1/_history?_elements=name&_count=1", status: 200,
			contains: []string{subsetted + `}},"request"`, `_history?_count=1&_elements=name"`, `_history?_count=1&_cursor=`},
		},
	} {
		t.Run(x.claim, func(t *testing.T) {
			t.Parallel()
			x.check(t, newEnv(t, nil).seed(t))
		})
	}
	t.Run("G7.12 what is included has its own mode and the same shape", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, nil).seed(t)
		e.fake.included = []fhir.Resource{{Key: fhir.Key{Type: "Patient", ID: "7"}, Body: []byte(`{"resourceType":"Patient","id":"7","gender":"male"}`)}}
		w := e.do(t, "GET", "/fhir/Observation?_id=o1&_elements=code", "")
		want := `"fullUrl":"http://localhost:8080/fhir/Patient/7","resource":{"resourceType":"Patient","meta":{` + subsetted + `},"id":"7"},"search":{"mode":"include"}}`
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `"mode":"match"`) {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
	})
}

func TestCompartments(t *testing.T) {
	t.Parallel()
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	seed := func(t *testing.T) *env {
		e := newEnv(t, nil).seed(t)
		for _, id := range []string{"p1", "p2", "p3"} {
			body := `{"resourceType":"Observation","id":"` + id + `","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"}}`
			if w := e.do(t, "PUT", "/fhir/Observation/"+id, body); w.Code != 201 {
				t.Fatalf("%d: %s", w.Code, w.Body)
			}
		}
		return e
	}
	for _, x := range []exchange{
		{
			claim: "G7.1 a compartment holds what refers to the patient", method: "GET", path: "/fhir/Patient/1/Observation?_total=accurate&_id=p1,p2,o1", status: 200,
			contains: []string{`"total":2`, `{"relation":"self","url":"http://localhost:8080/fhir/Patient/1/Observation?_total=accurate&_id=p1,p2,o1"}`, `Observation/p1"`, `Observation/p2"`},
		},
		{
			claim: "G7.1 a compartment is searched by POST", method: "POST", path: "/fhir/Patient/1/Observation/_search?_id=p3", body: "_total=accurate", headers: form, status: 200,
			contains: []string{`"total":1`, `/fhir/Patient/1/Observation?_id=p3&_total=accurate"`},
		},
		{claim: "G7.1 the compartment of nobody is empty", method: "GET", path: "/fhir/Patient/nobody/Observation?_total=accurate", status: 200, contains: []string{`"total":0`}},
		{claim: "G7.1 all types of a compartment", method: "GET", path: "/fhir/Patient/1/*?_total=accurate&_count=9", status: 200, contains: []string{`"total":4`, `Patient/1/*?_total`, `Observation/p1"`, `fhir/Patient/1"`}},
		{claim: "G7.1 some types of a compartment", method: "GET", path: "/fhir/Patient/1/*?_type=Patient&_total=accurate", status: 200, contains: []string{`"total":1`, `_type=Patient"`}},
		{claim: "G7.1 several types", method: "GET", path: "/fhir?_type=Patient,Observation&_id=1,o2", status: 200, contains: []string{`Observation/o2"`, `fhir/Patient/1"`, `"url":"http://localhost:8080/fhir/?_id=1,o2&_type=Patient,Observation"`}},
		{claim: "G7.1 several types by POST", method: "POST", path: "/fhir/_search", body: "_type=Patient,Observation&_summary=count", headers: form, status: 200, contains: []string{`"total":9`}},
		{claim: "G7.15 an element of one of the types will do", method: "GET", path: "/fhir?_type=Patient,Observation&_elements=gender&_id=1,o1", status: 200, contains: []string{`"gender":"female"`, `"status":"final"`}},
		{claim: "G7.1 GET _search is 405", method: "GET", path: "/fhir/_search?_type=Patient", status: 405, code: fhir.CodeNotSupported},
		{claim: "G7.1 all types at once are too costly", method: "GET", path: "/fhir?_id=1", status: 400, code: fhir.CodeTooCostly},
		{claim: "G7.2 a damaged cursor of several types is 400", method: "GET", path: "/fhir?_type=Patient&_cursor=x", status: 400, code: fhir.CodeInvalid},
	} {
		t.Run(x.claim, func(t *testing.T) {
			t.Parallel()
			x.check(t, seed(t))
		})
	}
	for _, first := range []string{"/fhir?_type=Patient,Observation", "/fhir/Patient/1/*?_type=Observation,Patient"} {
		for _, count := range []string{"1", "2", "3", "4", "8", "9", "10"} {
			t.Run("G7.14 the pages of "+first+" by "+count+" are everything, once", func(t *testing.T) {
				t.Parallel()
				e := seed(t)
				seen := map[string]bool{}
				want := map[bool]int{true: 4, false: 9}[strings.Contains(first, "*")]
				for at := first + "&_count=" + count; at != ""; {
					w := e.do(t, "GET", at, "")
					var b searchset
					if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || w.Code != 200 {
						t.Fatalf("%d %v: %s", w.Code, err, w.Body)
					}
					if len(b.Entry) == 0 {
						t.Error("an empty page")
					}
					for _, entry := range b.Entry {
						if seen[entry.FullURL] {
							t.Errorf("%s twice", entry.FullURL)
						}
						seen[entry.FullURL] = true
					}
					at = ""
					if next, err := url.Parse(b.next()); err == nil && b.next() != "" {
						at = next.RequestURI()
					}
				}
				if len(seen) != want {
					t.Errorf("found %d, want %d", len(seen), want)
				}
			})
		}
	}
}
