// Package purge removes old versions of records for good, and says that it did: every
// purge leaves a line in the log and an AuditEvent, which is begun before anything is removed and
// completed when all is done, so that one that was broken off shows.
//
// It owns that, and the operation $purge. What is removed, and in which order, is
// fhir/record's; who may call it is decided by whoever wires it.
//
// Specification: R4 3.1.0 (versions are not removed by any interaction of the API), 6.4
// (AuditEvent); the lifecycle event "destroy" of ISO 21089.
//
// It may import fhir, fhir/operation and fhir/record.
package purge
