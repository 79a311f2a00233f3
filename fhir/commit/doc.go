// Package commit makes one atomic write of changes to resources: it plans them, adds
// what others want to write beside them, applies everything at once, and plans anew
// when another writer was faster.
//
// It owns what is the same for every kind of repository: which changes cannot stand in
// one request, retries, reservations of conditional creations, and what an error of
// the store means to a client. It does not know how resources are kept: fhir/record
// and fhir/chartmap are Planners, and fhir/router commits over both.
//
// # Conditions
//
// A creation that depends on that nothing meets a condition leaves a reservation
// under the hash of the condition, in the same Apply:
//
//	portico_reservations { _id: <hash of a condition>, by: <random>, ts }
//
// Of two that search at the same time and find nothing, the second fails at the unique
// _id and searches again. Who finds a reservation and behind it, in a search that
// began later, no match, knows that its resource was deleted or changed, and takes it
// over on the condition that it is still the same. So a reservation is needed only for
// as long as a request may take between searching and writing, and expires after an
// hour.
//
// Specification: R4 3.1.0.4 to 3.1.0.8 (what a write depends on), 3.1.0.11.2
// (transactions are all or nothing).
//
// It may import fhir and store.
package commit
