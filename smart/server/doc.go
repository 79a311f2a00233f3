// Package server is the protocol endpoints of the authorization server over HTTP.
//
// It owns discovery, the token endpoint, introspection, revocation, userinfo, the key
// set, the creation of EHR launches, and the style; how their requests are read, the
// JSON of their errors, and which web pages may call them. It shows no page: what is
// below /auth and not listed here goes to the pages' handler.
//
//	GET       <base>/.well-known/openid-configuration      who issues id tokens
//	GET       <base>/fhir/.well-known/smart-configuration  where everything is
//	POST      <base>/auth/token
//	POST      <base>/auth/introspect    by a client that proves who it is, or with a token
//	POST      <base>/auth/revoke
//	GET, POST <base>/auth/userinfo
//	GET       <base>/auth/jwks
//	POST      <base>/auth/launch        by an EHR's backend with the scope launch; JSON
//	GET       <base>/auth/style.json
//
// Specification: SMART App Launch 2.2, Conformance; RFC 6749 3.2, 5; RFC 6750; RFC 7009;
// RFC 7662; RFC 8414; OpenID Connect Discovery 1.0; the Fetch standard, CORS protocol.
//
// It may import store, fhir, smart/access, smart/authorize, smart/client, smart/oauth,
// smart/scope, smart/signing and smart/token.
package server
