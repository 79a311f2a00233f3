// Package load brings files of FHIR JSON into a [fhir.Repository]: single
// resources, Bundles, and one resource a line (NDJSON), each also gzipped, one
// by one or a directory of them.
//
// # What is loaded
//
// The entries of Bundles of the types transaction, batch, collection and
// searchset are loaded one by one; other Bundles are resources themselves. A
// load is no transaction: what is right is loaded, what is wrong is reported with
// its place, and loading the same again makes no new versions, so that a load
// that was interrupted or partly failed is simply repeated.
//
// # Identity
//
// A resource keeps its id. Without one it gets that of its PUT url or of its
// fullUrl, the UUID or OID of a urn included, and failing these one that follows
// from its content: what has the same content then is the same resource.
//
// # References
//
// Within a Bundle, whatever refers to the fullUrl of an entry refers to Type/id
// afterwards (R4 3.1.0.11.2): references, and for urns also values of uri, url, uuid and
// oid elements and the links and images of narratives. A urn that no entry has fails
// its resource; other URLs stay as they are. Conditional references and
// conditional requests (Practitioner?identifier=system|value) are resolved against
// everything that is being loaded, in whatever order it comes, and against what the
// repository finds. Only identifier and _id can be conditions.
//
// References are replaced in the text of the resource; all other bytes stay as
// they are.
//
// # Order and memory
//
// Resources with the same id are written in the order in which they are read.
// Memory is bounded by the limits of the Loader, not by the input; only distinct
// conditional references are remembered.
//
// It may import fhir, fhir/bundle and fhir/schema.
package load
