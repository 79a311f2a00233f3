// Package write turns one write interaction into changes of a [fhir.Repository]:
// create, update, patch and delete, by id or by condition.
//
// It owns what conditional interactions mean, and that a patch or a condition that
// another writer overtakes is looked at again instead of losing an update. It does
// not know how an interaction was asked for: fhir/rest reads it from a request,
// fhir/bundle from an entry.
//
// Specification: R4 3.1.0.4 to 3.1.0.8 (update, patch, delete, create and their
// conditional forms).
//
// It may import fhir, fhir/patch, fhir/schema and fhir/search.
package write
