package index

import (
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

func TestAPartOfACompositeMayStandElsewhereInTheResource(t *testing.T) {
	t.Parallel()
	// Its chromosome is %resource.referenceSeq.chromosome, its start that of the variant.
	p, ok := search.Lookup("MolecularSequence", "chromosome-variant-coordinate")
	if !ok {
		t.Fatal("no such parameter")
	}
	body := []byte(`{"resourceType": "MolecularSequence", "coordinateSystem": 0,
		"referenceSeq": {"chromosome": {"coding": [{"code": "13"}]}, "windowStart": 1, "windowEnd": 100},
		"variant": [{"start": 10, "end": 11}, {"start": 20, "end": 22}]}`)
	m := &Matcher{Now: now}
	for name, tt := range map[string]struct {
		chromosome, start, end string
		want                   bool
	}{
		"one variant on the chromosome": {"13", "20", "22", true},
		"another chromosome":            {"14", "20", "22", false},
		"parts of two variants":         {"13", "10", "22", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := func(s string) fhir.NumberValue {
				n, ok := search.Number(s)
				if !ok {
					t.Fatal(s)
				}
				return n
			}
			value := fhir.CompositeValue{
				{Param: search.Part(p.Components[0]), Value: fhir.TokenValue{Code: tt.chromosome, AnySystem: true}},
				{Param: search.Part(p.Components[1]), Value: whole(tt.start)},
				{Param: search.Part(p.Components[2]), Value: whole(tt.end)},
			}
			got, err := m.Match("MolecularSequence", body, fhir.Term{Param: p, Value: value})
			if err != nil || got != tt.want {
				t.Errorf("got %t, %v; want %t", got, err, tt.want)
			}
		})
	}
}
