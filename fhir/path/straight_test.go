package path_test

import (
	"fmt"
	"testing"

	"github.com/portico-fhir/portico/fhir/path"
)

func TestPathsWithOneConditionGiveWhatTheEvaluatorGives(t *testing.T) {
	t.Parallel()
	root := doc(t, `{"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": "a"}, {"code": "b"}]},
		"contained": [{"resourceType": "Patient", "id": "x"}], "performer": [{"reference": "#x"}, {"reference": "Practitioner/1"}, {"display": "who"}],
		"subject": {"reference": "http://localhost/fhir/Patient/p"}, "valueQuantity": {"value": 1.5, "unit": "kg"}, "_status": {"id": "s"},
		"component": [{"code": {"text": "one"}, "valueString": "v"}, {"code": {"text": "two"}, "valueInteger": 2}]}`)
	for _, text := range []string{
		"Observation", "Patient", "Resource", "status", "Observation.status", "Patient.status", "code.coding.code", "Resource.id", "DomainResource.contained.id",
		"(Observation.value as Quantity)", "(Observation.value as string)", "Observation.value.as(Quantity)", "Observation.component.value.ofType(string)",
		"component.value.ofType(FHIR.string)", "component.value as String", "(Observation.value as Quantity).value", "(value as Quantity) as Quantity",
		"Observation.subject.where(resolve() is Patient)", "subject.where(resolve() is Practitioner)", "performer.where(resolve() is Patient)",
		"performer.where(resolve() is Resource)", "performer.where(resolve() is Practitioner).reference", "performer.where(resolve().exists())",
		"performer.where(resolve() is Patient).where(resolve() is Patient)", "Observation.as(Observation)", "Observation.where(resolve() is Patient)",
	} {
		e := path.MustParse(text)
		got, err := e.Eval(nil, root)
		want, wantErr := (&path.Expr{Root: e.Root}).Eval(nil, root) // nothing known ahead
		if fmt.Sprint(shown(got)) != fmt.Sprint(shown(want)) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: got %v, %v; want %v, %v", text, shown(got), err, shown(want), wantErr)
		}
	}
}

// shown tells items apart.
func shown(c path.Collection) []string {
	var all []string
	for _, it := range c {
		all = append(all, fmt.Sprintf("%s %s %s %q", it.Path(), it.Type(), it, it.JSON()))
	}
	return all
}

func TestResultsOutliveTheEvaluation(t *testing.T) {
	t.Parallel()
	root := doc(t, observation)
	var kept []path.Collection
	texts := []string{"$this", "code.coding.code | status", "code.coding.where(code.exists())", "code.coding.select($this)", "%resource", "code.coding.first()"}
	for _, text := range texts {
		c, err := path.MustParse(text).Eval(nil, root)
		if err != nil || len(c) == 0 || c[0].JSON() == nil {
			t.Fatalf("%s: %v, %v", text, shown(c), err)
		}
		kept = append(kept, c)
	}
	before := fmt.Sprint(kept)
	for range 10 {
		for _, text := range []string{"subject.reference.startsWith('x')", "status | subject.reference", "descendants().where($this is string).count()"} {
			if _, err := path.MustParse(text).Eval(nil, root); err != nil {
				t.Fatal(err)
			}
		}
	}
	if after := fmt.Sprint(kept); after != before {
		t.Errorf("results changed:\n%s\n%s", before, after)
	}
}
