package operation

import "github.com/portico-fhir/portico/fhir"

// CareDates is for the test that compares it with the registry.
func CareDates() map[fhir.Type]string { return careDates }
