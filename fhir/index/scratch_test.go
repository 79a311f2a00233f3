package index

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEntriesDoNotDependOnWhatWasIndexedBefore(t *testing.T) {
	t.Parallel()
	x := Indexer{Parameters: With(nil)}
	all := examples(t, &Indexer{})
	var group sync.WaitGroup
	for typ, list := range all { // at once
		group.Go(func() {
			for _, r := range slices.Backward(list) {
				again := entries(t, &x, typ, r.name, r.body)
				if diff := cmp.Diff(r.doc.Lookup("k").String(), again.doc.Lookup("k").String()); diff != "" {
					t.Errorf("%s has other entries when others were indexed before it:\n%s", r.name, diff)
				}
			}
		})
	}
	group.Wait()
}

func TestTheEntriesOfAnObservationTakeFewAllocations(t *testing.T) {
	x := Indexer{Base: "http://localhost/fhir"}
	body := []byte(`{"resourceType": "Observation", "id": "o", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "2339-0", "display": "Glucose"}]},
		"category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
		"subject": {"reference": "Patient/p"}, "effectiveDateTime": "2026-01-02T03:04:05Z", "valueQuantity": {"value": 95, "unit": "mg/dL"}}`)
	n := testing.AllocsPerRun(100, func() {
		if _, err := x.Index("Observation", body); err != nil {
			t.Fatal(err)
		}
	})
	if n > 100 { // with room for what the race detector takes away from pools
		t.Errorf("%v allocations; the budget is 100", n)
	}
}
