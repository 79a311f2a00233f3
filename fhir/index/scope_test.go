package index

import (
	"errors"
	"fmt"
	"strings"
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
				conditions := []fhir.Expr{
					fhir.And{patient, token},
					fhir.And{fhir.Or{token, others[0]}, patient, fhir.Not{Expr: others[i/2]}},
					fhir.And{token, fhir.Or{patients[i%len(patients)], patient}, others[0]},
					fhir.And{fhir.Or{patient, token}, token},
				}
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

func TestAResourceOfTooManyPatientsAndCodesIsRefused(t *testing.T) {
	t.Parallel()
	account := func(n int) []byte {
		var types, subjects []string
		for i := range n {
			types = append(types, fmt.Sprintf(`{"code": "t%d"}`, i))
			subjects = append(subjects, fmt.Sprintf(`{"reference": "Patient/p%d"}`, i))
		}
		return fmt.Appendf(nil, `{"resourceType": "Account", "status": "active", "type": {"coding": [%s]}, "subject": [%s]}`,
			strings.Join(types, ","), strings.Join(subjects, ","))
	}
	if e, err := (&Indexer{}).Index("Account", account(300)); err != nil || len(e.Keys) < 300*300 {
		t.Errorf("300 of each: %d entries, %v", len(e.Keys), err)
	}
	var refused *fhir.Error
	if _, err := (&Indexer{}).Index("Account", account(400)); !errors.As(err, &refused) || refused.Code() != fhir.CodeTooCostly {
		t.Errorf("400 of each: %v", err)
	}
}
