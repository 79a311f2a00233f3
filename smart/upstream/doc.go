// Package upstream signs people in through an identity provider of somebody else, a
// hospital's for example, by OpenID Connect.
//
// It owns the authorization code flow as a relying party (PKCE, nonce, a state that is
// good once and only in the browser in which it was made), and the rules by which
// claims become a person here. It keeps no tokens of the provider, and does not
// make accounts: it says who the provider vouches for.
//
// Whoever no rule maps to a person is refused: that somebody has an account with the
// provider opens nothing.
//
//	collection       document
//	portico_upstream { _id: hash of the state, provider, nonce, verifier, request, browser: hash, forced, made, gone }
//
// Specification: OpenID Connect Core 1.0, 3.1; RFC 7636; RFC 9207; RFC 9700.
//
// It may import fhir, smart/account and store.
package upstream
