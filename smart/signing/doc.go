// Package signing is the keys with which the server signs id tokens.
//
// It owns the keys, shared by all nodes through the store, their rotation and their
// publication as a JWKS. It does not know what is signed.
//
// # Life of a key
//
//	published  from its creation on
//	signs      a day later, so that nobody who keeps a key set for a while meets a kid
//	           that it does not know; the very first key signs at once
//	retired    when the next one signs: after 90 days, or sooner when somebody asks
//	gone       a day later, when what it signed has long expired
//
// A node that finds the newest key due for a successor makes one. The _id is the
// key's number, so that of several nodes one succeeds.
//
//	collection     document
//	portico_keys   { _id: "signing/<number, six digits>", kid, key: <PKCS #8>, created, from, gone?: <date> }
//
// Specification: RFC 7517; RFC 7518 3.3; OpenID Connect Core 10.1.
//
// It may import store.
package signing
