// Package jwks is the public keys of others: sets of them, and getting those from URLs.
//
// It owns which keys of a set can verify what, the choice of the one that is meant, and
// how sets are fetched: from public addresses only, bounded, and kept as long as
// Cache-Control allows. It verifies no signatures. The server's own keys belong to
// smart/signing.
//
// Specification: RFC 7517; RFC 7518 3.1; RFC 9111 5.2.2; the IANA special-purpose
// address registries.
//
// It imports none of Portico's packages.
package jwks
