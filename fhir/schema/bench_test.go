package schema

import (
	"os"
	"testing"
)

// BenchmarkValidateObservation is the budget of DESIGN: a 1.7 kB Observation.
func BenchmarkValidateObservation(b *testing.B) {
	body, err := os.ReadFile("testdata/observation.json")
	if err != nil {
		b.Fatal(err)
	}
	v := &Validator{Base: "http://localhost:8080/fhir"}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Validate(body, "Observation"); err != nil {
			b.Fatal(err)
		}
	}
}
