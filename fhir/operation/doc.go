// Package operation carries out what is asked of more than one type or in other
// words than a search: the operations $everything, $lastn, $meta and $validate (R4 3.2),
// and searches on several types at once.
//
// It owns what the operations mean, their parameters and definitions, and
// the paging of their results. It reads through a fhir.Repository and nothing
// else, so that whatever narrows that one narrows the operations; it knows
// nothing of HTTP.
//
// Specification: FHIR R4 3.2.0 and the OperationDefinitions Patient-everything,
// Encounter-everything, Observation-lastn, Resource-meta and Resource-validate.
//
// It may import fhir, fhir/commit, fhir/invariant, fhir/patch, fhir/path, fhir/schema, fhir/search,
// fhir/subset and fhir/write.
package operation
