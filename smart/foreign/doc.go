// Package foreign is access tokens that somebody else's authorization server issued,
// accepted as they are: JWTs for this server as audience.
//
// It owns their verification and how their claims become an Access. It grants
// nothing: scopes count as far as the configuration lets the issuer's tokens reach, and
// the guard narrows them like all others. It cannot end a token: one is good until it
// expires, which is why tokens that last long are refused.
//
// A Patient acts in their own record, a Practitioner as a clinician, and a token
// without a person, where the issuer may issue such, as a system. Whoever acts for
// somebody else needs a grant of this server, and so a token of this server.
//
// Specification: RFC 9068 2.2, 4; RFC 7519; OpenID Connect Core 3.1.3.7; SMART App
// Launch 2.2, Scopes and Launch Context.
//
// It may import fhir, smart/access, smart/jwks and smart/scope.
package foreign
