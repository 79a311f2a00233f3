// Package exact holds what searches must find, as decision tables: resources, and
// for each request which of them match. The expectations are written by hand from
// the text of the specification, never computed.
//
// Two tests read the tables: this package's own runs them through fhir/search and
// fhir/record on every store, conformance/suite over HTTP on any server.
//
// It also holds an evaluator, a second reading of the specification that shares no
// code with fhir/index: random searches over random resources are compared with
// it, and over HTTP the combinations of parameters that US Core asks for.
//
// Specification: FHIR R4 3.1.1 (Search).
//
// It imports none of our packages; its tests import what they test.
package exact
