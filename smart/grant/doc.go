// Package grant keeps who may act for whom: grants of proxies, which a Consent shows
// to FHIR clients and a document of Portico's own enforces.
//
// It owns the collection portico_grants, the operations Consent/$grant-proxy,
// $narrow-proxy and $revoke-proxy, which write a Consent, and where it is wanted a
// RelatedPerson, together with the grant in one atomic write, and $my-patients. It says what a
// grant permits now: status, period and the patient's age are looked at each time,
// so that a revocation or a birthday acts on the next request, on every node.
//
// What a grant of a basis permits at which age is smart/policy's; that nothing else is
// shown is smart/guard's.
//
// It may import fhir, fhir/commit, fhir/operation, fhir/record, smart/access,
// smart/account, smart/policy, smart/scope and store.
package grant
