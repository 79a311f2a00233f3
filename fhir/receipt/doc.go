// Package receipt keeps what became of requests that carry an Idempotency-Key, so
// that a client that did not hear the answer can send the same request again and get
// it, without anything being done twice.
//
// A receipt is written in the same store.Apply as what it is about (fhir/commit's
// Beside): whoever was acknowledged finds it after a crash and on every node, and
// there is none for what did not happen. A request that failed leaves none; sent again, it is
// tried again.
//
//	portico_receipts { _id: <hash of caller and key>, rq: <hash of the request>, ts, r: <results> }
//
// A receipt holds which versions a request made, not what is in them: the answer is
// made of these again. It is good for a day and then expires. Since only writes leave receipts,
// there are at most as many, and together they are a fraction of the size, of what was written in
// that day.
//
// It owns receipts and which requests are under way. What a request is, and how it is answered,
// is the edge's.
//
// Specification: draft-ietf-httpapi-idempotency-key-header.
//
// It may import fhir, fhir/commit and store.
package receipt
