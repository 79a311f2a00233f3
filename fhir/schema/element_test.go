package schema

import (
	"slices"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

func TestElementsAreFoundByTheirJSONName(t *testing.T) {
	t.Parallel()
	e, ok := Lookup("Observation", "valueQuantity")
	if !ok || e.Name != "value" || e.Type != "Quantity" || !e.Choice || e.Many || e.Required {
		t.Errorf("Observation.valueQuantity = %+v, %v", e, ok)
	}
	e, ok = Lookup("Appointment", "participant")
	if !ok || !e.Many || !e.Required {
		t.Fatalf("Appointment.participant = %+v, %v", e, ok)
	}
	e, ok = Lookup(e.Type, "status")
	if !ok || !e.Required || !slices.Contains(e.Codes, "tentative") {
		t.Errorf("Appointment.participant.status = %+v, %v", e, ok)
	}
	e, ok = Lookup("RelatedPerson", "patient")
	if !ok || !slices.Equal(e.Targets, []fhir.Type{"Patient"}) {
		t.Errorf("RelatedPerson.patient = %+v, %v", e, ok)
	}
	for _, unknown := range [][2]string{{"Patient", "dob"}, {"Patent", "id"}, {"string", "id"}, {"", ""}} {
		if e, ok := Lookup(unknown[0], unknown[1]); ok {
			t.Errorf("Lookup(%q) = %+v", unknown, e)
		}
	}
}

func TestElementsComeInTheOrderOfTheDefinition(t *testing.T) {
	t.Parallel()
	var names []string
	for _, e := range Elements("HumanName") {
		names = append(names, e.Member)
	}
	want := []string{"id", "extension", "use", "text", "family", "given", "prefix", "suffix", "period"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
