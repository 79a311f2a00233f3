// Package access is the verified caller of a request: who acts, for whom, and what
// the token permits.
//
// It owns the value and its place in a context. It verifies nothing: whoever
// makes an Access has done that. The zero value permits nothing.
//
// Specification: SMART App Launch 2.2, Scopes and Launch Context.
//
// It may import fhir, smart/policy and smart/scope.
package access
