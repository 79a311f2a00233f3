package guard_test

import (
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/guard"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

func TestWhatCanEverBeOfUse(t *testing.T) {
	t.Parallel()
	p, err := policy.Default()
	if err != nil {
		t.Fatal(err)
	}
	r := &guard.Repository{Policy: p}
	for _, c := range []struct {
		kind access.Kind
		typ  fhir.Type
		want scope.Letters
	}{
		{access.Patient, "Observation", scope.ReadV1 | scope.Create | scope.Update},
		{access.Proxy, "Condition", scope.ReadV1},
		{access.Clinician, "Condition", scope.AllV1},
		{access.Patient, p.Closed[0], 0},
		{access.Clinician, p.Closed[0], 0},
		{access.System, p.Closed[0], scope.AllV1},
	} {
		if got := r.Possible(c.kind, c.typ); got != c.want {
			t.Errorf("E3 a %s and %s: %q, want %q", c.kind, c.typ, got, c.want)
		}
	}
}
