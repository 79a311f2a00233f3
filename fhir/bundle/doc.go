// Package bundle carries out batches and transactions.
//
// A transaction is planned as a whole and then written by one
// [fhir.Repository.Commit]: all or nothing, for readers in between too. When another
// writer overtakes it between planning and writing, it is planned again, so that
// conditions and references hold for what it was written on. The reads of a
// transaction are tried before anything is written, and answered after. A batch is
// a list of requests that have nothing to do with each other.
//
// How a single request is carried out is the edge's: a [Processor] is given a
// function for it. What a write comes to is fhir/write's.
//
// Rewriting references works on the JSON text; all other bytes stay as they are.
//
// Specification: R4 3.1.0.11 (batch, transaction), 2.35 (Bundle).
//
// It may import fhir, fhir/commit, fhir/index, fhir/patch, fhir/schema, fhir/search and
// fhir/write.
package bundle
