// Package memory is the naive store: it reads every document and sorts what
// matches. It is the model that storetest compares the other backends with,
// and a store for tests. Nothing survives the process.
//
// It is built of store's own meaning of filters, orders and updates, and adds
// only collections, indexes as constraints, and the stream of changes.
//
// It imports store.
package memory
