// Package store keeps documents: BSON documents in named collections, found by
// a closed filter algebra and changed by all-or-nothing batches.
//
// It owns the meaning of a filter, an order, a cursor and an update on one
// document ([Match], [Compare], [Position], [Updated]): the backends in
// store/memory, store/sqlite and store/mongo differ in how they find and keep
// documents, never in what an operation means. store/storetest holds every
// backend to that.
//
// It knows nothing of FHIR. The same interface serves a clinic's own
// collections and the collections in which Portico keeps its records.
//
// It imports none of Portico's packages.
package store
