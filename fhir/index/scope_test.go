package index

import (
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

func TestG7_17_ThePatientsOwnEntriesFindWhatMatches(t *testing.T) {
	t.Parallel()
	x := Indexer{Base: "http://localhost/fhir"}
	m := &Matcher{Indexer: x, Now: now}
	c := &Compiler{Indexer: x, Field: "k", Now: now}
	compared, matched := 0, 0
	for typ, resources := range examples(t, &x) {
		if Of(typ).patient == nil {
			continue
		}
		var patients, others []fhir.Term
		for _, from := range resources {
			for _, term := range conditions(t, &x, typ, from, make(map[string]int)) {
				switch v := term.Value.(type) {
				case fhir.ReferenceValue:
					if v.Type == "Patient" && len(patients) < 8 {
						patients = append(patients, term)
					}
				case fhir.TokenValue:
					if len(others) < 60 {
						others = append(others, term)
					}
				}
			}
		}
		for _, patient := range patients {
			for i, token := range others {
				conditions := []fhir.Expr{fhir.And{patient, token}, fhir.And{fhir.Or{token, others[0]}, patient, fhir.Not{Expr: others[i/2]}}}
				for _, e := range conditions {
					plan, err := c.Compile(typ, e)
					if err != nil {
						t.Fatal(err)
					}
					for _, r := range resources {
						want, err := m.Match(typ, r.body, e)
						if err != nil {
							t.Fatal(err)
						}
						if got := store.Match(plan.Where, r.doc); want && !got || got && !want && plan.Exact {
							t.Errorf("%s: %v: matches %v, index %v (exact %v)", r.name, e, want, got, plan.Exact)
						}
						compared++
						if want {
							matched++
						}
					}
				}
			}
		}
	}
	if compared < 10_000 || matched < 500 {
		t.Errorf("compared %d, of which %d match: too few to tell", compared, matched)
	}
}
