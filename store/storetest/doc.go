// Package storetest says how a store behaves: one suite that every backend
// passes, and the only place where that is specified by example. Each test is
// named by what it claims.
//
// Beside the claims it compares a backend with store/memory on random
// documents, filters, orders and sequences of writes. A case that fails is
// printed, and kept by rapid under testdata/rapid of the package under test, so
// that it runs first the next time.
//
// It imports store and store/memory.
package storetest
