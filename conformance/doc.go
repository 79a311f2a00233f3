// Package conformance makes the CapabilityStatement (R4 5.2) from what a
// repository says it can do, so that nothing is declared that is not wired.
//
// It owns that document and requirements.txt, the list of requirements that the
// tests show to hold. The black-box tests themselves are in conformance/suite.
//
// Specification: FHIR R4 3.1.0.9 and the CapabilityStatement resource.
//
// It may import fhir, fhir/operation and fhir/search.
package conformance
