// Package mongo keeps documents in MongoDB 4.4 or later: a replica set, a
// sharded cluster, or a service that offers the same.
//
// It owns how a filter, an order, a cursor and a batch of ops are said in
// MongoDB's language, so that they mean what package store says they mean.
// What MongoDB answers a little differently is asked a little wider and
// checked again by [store.Match] and [store.ComparePositions].
//
// # What it promises
//
// Writes are acknowledged by a majority, journalled; reads see what a majority
// has. A batch of more than one op runs in a multi-document transaction. A
// single op needs none: a change of one document is atomic. Transient errors
// are retried until the caller's deadline, or [Options.Timeout] without one. A
// search of more documents than fit one reply of the server's is not a picture
// of one moment.
//
// [Open] refuses a server that cannot give this. It looks at what the server
// says of itself and then aborts a transaction to see whether that undoes it,
// because some compatible servers accept transactions without having them.
//
// With [Options.Dev] it makes do: on a server without transactions the ops of
// a batch are applied one after the other, each with its precondition. When
// one fails those before it are undone from copies taken beforehand. Others
// can see, and change, the documents in between, and a crash leaves the batch
// half done. This is for trying Portico on a laptop, not for a clinic.
//
// An error that is not one of package store's can mean that a write was sent
// and its answer never came ("the outcome is not known"): it may or may not
// have happened.
//
// # What it never does
//
// Collections that are not in Portico's own database belong to the EHR. No
// index is made in them unless [Options.AllowDDL]; the error has the command
// for the EHR's administrators instead. Errors never quote a document, a
// query's value or a credential, only codes and names.
//
// It imports package store and nothing else of Portico's.
package mongo
