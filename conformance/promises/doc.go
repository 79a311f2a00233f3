// Package promises tests what Portico promises to those who write, on the real
// program and from outside: it is killed, stopped, flooded and lied to, while clients
// keep account of what it acknowledged.
//
//	P1 an acknowledged write survives kill -9 at any moment
//	P2 a transaction is all or nothing, for readers too
//	P3 no update is lost
//	P4 every acknowledged version stays readable
//	P5 a retried conditional or idempotent write never makes a second resource
//	P6 memory stays within the configured bound, whatever is sent
//	P7 a server that stops, or has too much to do, says so: nothing hangs
//
// That any one operation of the store may fail is tested in cmd/portico, with the server
// in the test's process; that any one write to a file may, in store/sqlite.
//
// The package is test files only, but for this one; it imports none of Portico's
// packages but other support for tests.
package promises
