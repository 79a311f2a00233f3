// Package token is what an app gets after somebody agreed: codes, access tokens,
// refresh tokens and id tokens.
//
// It owns authorizations and their life: a code is exchanged once, refresh tokens
// rotate, whatever is used twice ends everything that came of it, and everything can be
// ended at once. It verifies access tokens. It does not know how somebody agreed
// (smart/authorize) nor what a token opens (smart/guard).
//
// # Layout
//
// All that came of one consent is one document, so that every step is one
// compare-and-swap, and ending it one deletion, which the next request on any node
// sees.
//
//	collection               document
//	portico_authorizations   { _id: <24 characters>, v: <number of the change>, client, kind, scope, created, used, gone,
//	                           account?, actor?, patient?, encounter?, grant?, session?, auth_time?, launch?: {…},
//	                           code?: { hash, exp, redirect, challenge, nonce?, spent? },
//	                           access?: [ { hash, iat, exp, scope? } … ],
//	                           refresh?: { family, hash, exp, previous?, rotated? } }
//
//	index     keys      for
//	account   account   what somebody allowed
//	client    client    disabling a client
//	session   session   signing out
//	gone      gone      forgetting what has expired
//
// Tokens are random text behind the _id of their authorization; only SHA-256 hashes
// are stored:
//
//	access token    pat_ <id, 24> <secret, 44>
//	refresh token   prt_ <id, 24> <family, 24> <secret, 44>
//	code            pac_ <id, 24> <secret, 44>
//
// The part "family" is the same in all refresh tokens of an authorization. It tells a
// token that was rotated away, whose use means that somebody else has it, from
// something made up, which means nothing.
//
// Specification: RFC 6749 4.1.3, 4.4, 6; RFC 7636 4.6; RFC 7009; RFC 7662; RFC 9700
// 2.1.1, 4.14; OpenID Connect Core 2, 3.1.3.6; SMART App Launch 2.2, Launch Context
// Arrives With Your Access Token.
//
// It may import store, fhir, smart/access, smart/client, smart/oauth, smart/policy,
// smart/scope and smart/signing.
package token
