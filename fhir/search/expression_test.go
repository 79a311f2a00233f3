package search

import (
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
)

func TestG7_17_EveryExpressionIsFHIRPath(t *testing.T) {
	t.Parallel()
	n := 0
	for _, typ := range append(fhir.Types(), "Resource", "DomainResource") {
		for _, p := range Params(typ) {
			if p.Expression == "" {
				continue
			}
			if _, err := path.Parse(p.Expression); err != nil {
				t.Errorf("%s: %v", p.URL, err)
			}
			n++
		}
	}
	if n < 1300 {
		t.Errorf("only %d expressions were parsed", n)
	}
}
