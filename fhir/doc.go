// Package fhir is the vocabulary that Portico's packages share: resource
// types and keys, references, dates with their precision, errors that become
// OperationOutcomes, the query algebra, changes, and the Repository that reads
// and writes resources.
//
// It holds no behaviour that needs a store, a schema or HTTP, and imports none
// of Portico's packages.
//
// Specification: FHIR R4 (4.0.1), http://hl7.org/fhir/R4.
package fhir
