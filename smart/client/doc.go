// Package client is the registered apps: what each may ask for, and how it proves
// that it is the one.
//
// It owns the registry in portico_clients, the rules for redirect URIs and browser
// origins, and client authentication: none, client_secret_basic, client_secret_post
// and private_key_jwt, with key sets kept by value or got from the app's URL. It
// does not know tokens or people.
//
// # Layout
//
//	collection           document
//	portico_clients      { _id: <client_id>, name, kind, secret?: <salt and hash>, redirects?: […], origins?: […],
//	                       launch?, jwks?: <JSON>, jwks_url?, scopes, grants: […], disabled?, created }
//	portico_assertions   { _id: <hash of client and jti>, gone: <date> }       the assertions that were used
//
// The second is what refuses an assertion that is sent again, on any node and after
// a restart: its _id is unique, and it stays until the assertion has expired.
//
// Specification: SMART App Launch 2.2, Client Authentication; RFC 6749 2.3; RFC 7523
// 3; RFC 7517; RFC 8252 7.3, 8.4.
//
// It may import store, smart/jwks, smart/oauth and smart/scope.
package client
