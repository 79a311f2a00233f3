// Package operation carries out what is asked of more than one type or in other
// words than a search: the operations $everything, $lastn and $meta (R4 3.2),
// and searches on several types at once.
//
// It owns what the operations mean, their parameters and definitions, and
// the paging of their results. It reads through a fhir.Repository and nothing
// else, so that whatever narrows that one narrows the operations; it knows
// nothing of HTTP.
//
// Specification: FHIR R4 3.2.0 and the OperationDefinitions Patient-everything,
// Encounter-everything, Observation-lastn and Resource-meta.
//
// It may import fhir, fhir/path, fhir/schema and fhir/search.
package operation
