// Package records makes up health records: FHIR R4 resources of patients who do
// not exist, in about the proportions in which Synthea writes them, with a few
// names, codes and recent dates much more frequent than others, as in life.
//
// The same seed and count give the same bytes. References lead to resources
// that were written before. It imports none of Portico's packages; its test has
// them check what it writes.
package records
