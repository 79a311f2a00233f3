package rest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/store/memory"
)

const origin = `{"resourceType":"Provenance","recorded":"2026-03-04T05:06:07Z","agent":[{"who":{"display":"Interface engine"}}]}`

// targets gives what each Provenance is about.
func targets(t testing.TB, e *env) (all [][]string) {
	t.Helper()
	var found struct {
		Entry []struct {
			Resource struct {
				Target []struct{ Reference string }
				Agent  []struct{ Who struct{ Display string } }
			}
		}
	}
	if err := json.Unmarshal(e.do(t, "GET", "/fhir/Provenance?_sort=_lastUpdated", "").Body.Bytes(), &found); err != nil {
		t.Fatal(err)
	}
	for _, x := range found.Entry {
		var refs []string
		for _, r := range x.Resource.Target {
			refs = append(refs, r.Reference)
		}
		if len(x.Resource.Agent) != 1 || x.Resource.Agent[0].Who.Display != "Interface engine" {
			t.Errorf("it says %+v", x.Resource)
		}
		all = append(all, refs)
	}
	return all
}

func TestG2_12_AProvenanceIsWrittenWithWhatItIsAbout(t *testing.T) {
	t.Parallel()
	transaction := `{"resourceType":"Bundle","type":"transaction","entry":[
		{"resource":{"resourceType":"Patient","gender":"other"},"request":{"method":"POST","url":"Patient"}},
		{"resource":` + changed + `,"request":{"method":"PUT","url":"Patient/p"}},
		{"resource":{"resourceType":"Patient","id":"x","active":true},"request":{"method":"PUT","url":"Patient/x"}},
		{"request":{"method":"DELETE","url":"Patient/q"}},{"request":{"method":"GET","url":"Patient/p"}}]}`
	for _, tt := range []struct {
		claim, method, path, body string
		headers                   []string
		status                    int
		want                      []string // NEW is what the Location says
	}{
		{"a create", "POST", "/fhir/Patient", patient, nil, 201, []string{"NEW"}},
		{"an update", "PUT", "/fhir/Patient/p", changed, nil, 200, []string{"Patient/p/_history/2"}},
		{"an update that creates", "PUT", "/fhir/Patient/n", `{"resourceType":"Patient","id":"n"}`, nil, 201, []string{"NEW"}},
		{"an update that changes nothing", "PUT", "/fhir/Patient/x", `{"resourceType":"Patient","id":"x","active":true}`, nil, 200, nil},
		{"a patch", "PATCH", "/fhir/Patient/p", `[{"op":"add","path":"/gender","value":"other"}]`, []string{"Content-Type", mediaPatch}, 200, []string{"Patient/p/_history/2"}},
		{"a delete", "DELETE", "/fhir/Patient/q", "", nil, 204, []string{"Patient/q/_history/2"}},
		{"a conditional create of what is there", "POST", "/fhir/Patient", patient, []string{"If-None-Exist", "_id=x"}, 200, nil},
		{"a conditional delete of several", "DELETE", "/fhir/Patient?_id=p,q", "", nil, 204, []string{"Patient/p/_history/2", "Patient/q/_history/2"}},
		{"a transaction", "POST", "/fhir", transaction, nil, 200, []string{"Patient/q/_history/2", "NEW", "Patient/p/_history/2"}},
		{"an update that fails", "PUT", "/fhir/Patient/p", changed, []string{"If-Match", `W/"7"`}, 412, nil},
		{"a transaction that fails", "POST", "/fhir", strings.Replace(transaction, `"url":"Patient/p"}}`, `"url":"Patient/p","ifMatch":"W/\"7\""}}`, 1), nil, 412, nil},
	} {
		t.Run("G2.12 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			e, plain := node(t, memory.New(), func(s *Server) { s.DeleteMany = 5 }), node(t, memory.New(), func(s *Server) { s.DeleteMany = 5 })
			for _, id := range []string{"p", "q", "x"} {
				for _, e := range []*env{e, plain} {
					e.do(t, "PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","active":true}`)
				}
			}
			r := e.do(t, tt.method, tt.path, tt.body, append([]string{"X-Provenance", origin, "Idempotency-Key", "k"}, tt.headers...)...)
			if r.Code != tt.status {
				t.Fatalf("%d: %s", r.Code, r.Body)
			}
			without := plain.do(t, tt.method, tt.path, tt.body, tt.headers...)
			if without.Code != r.Code || strings.Count(without.Body.String(), `"status"`) != strings.Count(r.Body.String(), `"status"`) {
				t.Errorf("the answer is another: %s, without %s", r.Body, without.Body)
			}
			e.do(t, tt.method, tt.path, tt.body, append([]string{"X-Provenance", origin, "Idempotency-Key", "k"}, tt.headers...)...)
			location := r.Header().Get("Location")
			if _, rest, ok := strings.Cut(r.Body.String(), `"201 Created","location":"`); ok {
				location, _, _ = strings.Cut(rest, `"`)
			}
			var want [][]string
			if tt.want != nil {
				want = [][]string{tt.want}
				for i, ref := range tt.want {
					if ref == "NEW" {
						tt.want[i] = strings.TrimPrefix(location, testBase+"/")
					}
				}
			}
			if diff := cmp.Diff(want, targets(t, e)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestG2_12_WhatIsNoProvenanceIsRefused(t *testing.T) {
	t.Parallel()
	e := node(t, memory.New(), nil)
	for _, tt := range []struct{ claim, method, path, body, header string }{
		{"no JSON", "POST", "/fhir/Patient", patient, "{"},
		{"nothing", "POST", "/fhir/Patient", patient, " "},
		{"a list", "POST", "/fhir/Patient", patient, "[]"},
		{"another resource", "POST", "/fhir/Patient", patient, patient},
		{"one that is not valid", "POST", "/fhir/Patient", patient, `{"resourceType":"Provenance"}`},
		{"one with a target", "POST", "/fhir/Patient", patient, strings.Replace(origin, `"agent"`, `"target":[{"reference":"Patient/1"}],"agent"`, 1)},
		{"on a read", "GET", "/fhir/Patient", "", origin},
		{"on a batch", "POST", "/fhir", `{"resourceType":"Bundle","type":"batch"}`, origin},
	} {
		t.Run("G2.12 "+tt.claim, func(t *testing.T) {
			t.Parallel()
			if r := e.do(t, tt.method, tt.path, tt.body, "X-Provenance", tt.header); r.Code != 400 {
				t.Errorf("%d: %s", r.Code, r.Body)
			}
		})
	}
	t.Cleanup(func() {
		if all := targets(t, e); all != nil {
			t.Errorf("written: %v", all)
		}
	})
}
