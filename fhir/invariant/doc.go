// Package invariant checks resources against the constraints of R4's base
// specification: the FHIRPath expressions of its StructureDefinitions, each with
// a key such as obs-7.
//
// It checks what fhir/schema lets through. The constraints that hold for every
// element (ele-1, ext-1, and txt-1 and txt-2 of narratives) are the schema's own
// business and not repeated here.
//
// Specification: FHIR R4 2.1.0.5 (constraints), 3.1.0.11 ($validate).
//
// It may import fhir, fhir/path and fhir/schema.
package invariant

//go:generate go run ./internal/gen ../../.cache/r4-examples/package constraints_gen.go
