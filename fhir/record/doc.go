// Package record keeps resources of every R4 type as Portico's own documents,
// with all their versions. It implements [fhir.Repository]; what the EHR itself
// keeps belongs to fhir/chartmap.
//
// # Layout
//
//	collection       document
//	<Type>           { _id: <id>, v: <version>, ts: <last updated>, del: true?, body: <JSON> }   the current version
//	<Type>_history   { _id: <id>/<version, ten digits>, v, ts, del?, body? }                     the versions before it
//	portico_formats  { _id: "records", format: 1 }                                               the number of this layout
//
// body is binary: the client's JSON, byte for byte, but for id, meta.versionId
// and meta.lastUpdated, which are spliced in; a read hands out these bytes. Its
// subtype tells whether it is plain (0) or one block of S2 compression (128). A
// delete marker has del and no body. Search keys will stand beside these
// fields in the current document, as dt (the clinical date) and k (the entries),
// made where encode makes the document; a change of their form raises the number
// of the layout.
//
//	index            keys             for
//	_id              id               read, _id, paging
//	lastUpdated      ts, id           _lastUpdated and _sort by it
//
// # Versions
//
// Versions count from 1 without gaps, delete markers included. A write moves
// the current document to the history and replaces it, in one Apply, on the
// condition that v is still the version that was read: that condition is the
// compare-and-swap under all writes. The other way, inserting each
// version into the history first and letting its unique _id decide, would keep
// every current body twice. The move stands before the replacement in the
// Apply, so that a store that carries out its ops one after another without a
// transaction never loses a version; when it stops in between, the next write
// finds the version moved already and goes on.
//
// Ascending versions of one resource have ascending lastUpdated, whatever the
// clock does, so that a history since some time is a range of versions.
//
// Specification: R4 3.1.0 (read, vread, update, delete, create, history),
// 2.28.3 (id, meta), 3.1.1.3.3 (_id, _lastUpdated).
//
// It may import fhir, fhir/search and store.
package record
