package rest

import (
	"strings"
	"testing"

	"github.com/portico-fhir/portico/store/memory"
)

func TestEveryEntryIsLoggedAndCounted(t *testing.T) {
	t.Parallel()
	entries := `{"resource":{"resourceType":"Patient","name":[{"family":"Secret"}]},"request":{"method":"POST","url":"Patient"}},
		{"resource":{"resourceType":"Patient","id":"p"},"request":{"method":"PUT","url":"Patient/p"}},
		{"request":{"method":"DELETE","url":"Patient/x"}},
		{"request":{"method":"GET","url":"Patient?family=Secret"}}`
	for kind, last := range map[string]string{
		"batch":       `{"request":{"method":"GET","url":"Patient/nobody"}}`,
		"transaction": `{"request":{"method":"GET","url":"Patient/p/_history"}}`,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := node(t, memory.New(), func(s *Server) { s.Metrics = NewMetrics() })
			r := e.do(t, "POST", "/fhir", `{"resourceType":"Bundle","type":"`+kind+`","entry":[`+entries+`,`+last+`]}`, "X-Request-Id", "r1")
			if r.Code != 200 {
				t.Fatal(r.Code, r.Body)
			}
			log := e.log.String()
			want := []string{
				`"interaction":"create","type":"Patient","id":"`, `"interaction":"update","type":"Patient","id":"p","status":201`,
				`"interaction":"delete","type":"Patient","id":"x","status":204`, `"interaction":"search-type","type":"Patient","status":200`,
				`"request":"r1","entry":1`, `"entry":5`, `"interaction":"` + kind + `"`,
			}
			if kind == "batch" {
				want = append(want, `"interaction":"read","type":"Patient","id":"nobody","status":404`, `"code":"not-found","entry":5`)
			}
			for _, part := range want {
				if !strings.Contains(log, part) {
					t.Errorf("no %s in\n%s", part, log)
				}
			}
			if strings.Contains(log, "Secret") {
				t.Errorf("a name is in the log:\n%s", log)
			}
			families, err := e.Metrics.registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			counted := ""
			for _, f := range families {
				if f.GetName() == "portico_bundle_entries_total" {
					counted = f.String()
				}
			}
			if strings.Count(counted, "{") < 5 {
				t.Errorf("counted are %s", counted)
			}
		})
	}
}
