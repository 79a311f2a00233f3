// Package live follows the EHR: what its own software writes becomes changes of resources,
// within a second, for whoever wants to know of them.
//
// Where the store can watch (MongoDB, memory), Feed follows its stream of changes, and
// keeps its place in the store, so that nothing is missed while no server runs. Where it
// cannot (the embedded store), Feed asks for documents whose `updated` field moved on;
// deletions, and collections without such a field, are then not seen. What Portico keeps beside
// the EHR's documents is part of the resources: its changes are told, too, and move the `updated` field.
//
// Nothing in the server follows a Feed yet: it is for subscriptions.
//
// A change is told at least once, in order for each resource; which content it has is for
// the listener to read. The package decides nothing about who may know of it.
//
//	collection     document
//	portico_feeds  { _id: name of the feed, token, beat, polls: { map: { at, ids } } }
//
// It may import fhir, fhir/chartmap and store.
package live
