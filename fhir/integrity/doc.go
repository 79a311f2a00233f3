// Package integrity keeps references whole: what a resource of an enforced type refers to on this
// server must be there, and what such a resource refers to cannot be deleted.
//
// It is a [fhir.Repository] over another that looks at every commit. A reference counts
// when it is literal and local: "Patient/1", or an absolute URL below the base. It is met by a resource that is
// stored and not deleted, or that the same commit writes; one with a version, by that version.
//
// # Races
//
// Whether a target is there is read before the commit is applied, and whether
// something refers to what is deleted as well. That both still hold when it is applied, on whatever
// node, is what anchors are for:
//
//	portico_anchors { _id: "<Type>/<id>", w: <random>, d: <random>, ts }
//
// A commit that refers to a target changes w of its anchor in the same Apply, on the condition that d
// is what it was before it looked; one that deletes the target changes d, on the condition that
// w and d are. So of two that exclude each other one fails, and looks again. An anchor is needed for as
// long as a request may take, and expires after an hour.
//
// # What is not seen
//
// What refers to a resource is found by the search parameters: a reference in an element that none covers does not
// stop a deletion. What comes into the store by other ways than a commit (portico load, the EHR itself) is not looked at.
//
// Specification: R4 2.3.0 (references), 5.2 (CapabilityStatement.rest.resource.referencePolicy), 3.1.0.7.1.
//
// It may import fhir, fhir/commit and store.
package integrity
