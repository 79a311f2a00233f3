// Package mongotest gives tests a MongoDB to talk to.
//
// With PORTICO_TEST_MONGODB set to a URI it is that server, and nothing is
// skipped. Without, it is the MongoDB-compatible test server that
// scripts/test-mongodb.sh installs: one per test process, on a free loopback
// port, with its data in a temporary directory; it ends with the process.
//
// It owns where the server comes from and what it is known not to do ([Skip]);
// it does not say how a store behaves, which is store/storetest's. It imports
// none of Portico's packages but internal/patience.
package mongotest
