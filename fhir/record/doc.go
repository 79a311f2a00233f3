// Package record keeps resources of every R4 type as Portico's own documents,
// with all their versions. It implements [fhir.Repository]; what the EHR itself
// keeps belongs to fhir/chartmap.
//
// # Layout
//
//	collection       document
//	<Type>           { _id: <id>, v: <version>, ts: <last updated>, rank?: <by date>,
//	                   m?: <method>, new: true?, k?: [<entry>…], del: true?, body: <JSON> }      the current version
//	<Type>_history   { _id: <id>/<version, ten digits>, id: <id>, to: <end>, v, ts,
//	                   m?, new?, del?, body? }                                                   the versions before it
//	portico_types    { _id: <Type> }, { _id: "*" }                                               the types that there are records of
//	portico_formats  { _id: "records", format: 3 }                                               the number of this layout
//	                 { _id: "reindex", for, type, after }                                             how far a reindexing is that was broken off
//	portico_parameters { _id: "SearchParameter/<id>", hash: <version and definition> }               a parameter that all records are indexed by
//	                 { _id: "changes", n: <random> }                                                 another with each change of parameters
//	                 { _id: "wordless" }                                                             some records lack the entries of words
//	                 { _id: "lease", by: <node>, until: <ms> }                                       who is indexing
//
// body is binary: the client's JSON, byte for byte, but for id, meta.versionId
// and meta.lastUpdated, which are spliced in; a read hands out these bytes. Its
// subtype tells whether it is plain (0) or one block of S2 compression (128;
// 129 with dictionary 1, as it is written). A
// delete marker has del and no body. m is POST or PATCH where the version came by
// one of these, new says that it brought a deleted resource back, to is the ts of
// the version that took its place; documents of before lack id, to, m and new. rank and k are made from the body by fhir/index
// and stand in the current document only; a change of their form, as of any other
// field, raises the number of the layout. rank is seven bytes that order by the clinical date and
// then, about, by the id.
//
//	index            keys             for
//	_id              id               read, _id
//	lastUpdated      ts, id           _lastUpdated and _sort by it; histories of a type
//	(of the history) ts, id, _id      histories of a type
//	rank             rank desc, id    pages of everything, newest first
//	keys             k, rank desc, id all other parameters
//	deleted          del, sparse      how many are not deleted: all less these
//
// Whether the entries decide what matches, or a candidate has to be looked at,
// is what fhir/index says of each query.
//
// # Versions
//
// Versions count from 1 without gaps, delete markers included; a purge removes the
// oldest of a resource first, and a delete marker last. A write moves
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
// The history of a type, or of all, is one order of the documents in both
// collections of each type: by ts, type and id. A version has the same place in it
// whether it is current or not, which makes a place on a page a place for good.
// Of each type the current versions are read before the others: one that
// moves meanwhile is seen twice rather than never.
//
// # Search parameters
//
// SearchParameter records in use define parameters beside R4's. Each write makes
// their entries from the moment that the node knows of them, two seconds later at
// most. When every other process knows, too, and the writes of before have ended, the
// records that there are get the entries, in the background; then the parameter is
// described, and not before. Which parameters are ready is kept for the version of the record that
// defines them, so that whatever happens to that record is noticed.
//
// Specification: R4 3.1.0 (read, vread, update, delete, create, history),
// 2.28.3 (id, meta), 3.1.1.3.3 (_id, _lastUpdated).
//
// It may import fhir, fhir/commit, fhir/extent, fhir/index and store.
package record
