// Package rest is the HTTP edge: it turns requests into calls of a
// fhir.Repository and results into responses.
//
// It owns routes, content negotiation, preconditions, Prefer, CORS, request
// and body limits, the table that maps issue codes to HTTP statuses, the one
// event per request that becomes the log line and the metrics, and the life of
// the listener. It does not know where resources live, what makes one valid, or
// who may see it: those are the Repository, the Validator and the search Parser
// it is given.
//
// Specification: FHIR R4 3.1.0 (RESTful API), RFC 9110, RFC 7239 (Forwarded),
// RFC 7240 (Prefer), the Fetch standard's CORS protocol.
//
// It may import fhir, fhir/bundle, fhir/job, fhir/operation, fhir/patch, fhir/receipt, fhir/schema, fhir/search, fhir/subset,
// fhir/write and store.
package rest
