// Package guard narrows a repository to what the caller may see and do.
//
// [Repository] wraps another. Who calls is the Access in the context; what that
// permits becomes a condition that is conjoined to each search before the wrapped
// repository compiles it, so that totals, sorting, paging and limits never know of
// anything else. A single resource is judged by the same condition. Since chains,
// _has, includes and operations are made of these calls (fhir/join and
// fhir/operation stand above), they are narrowed alike.
//
// What the caller may not see is answered as what does not exist: the same error,
// word for word. A type for which the token has no scope is refused with
// CodeForbidden, whatever is asked of it. decide.go has the order of the decision.
//
// # Whom a clinician treats
//
// The patients whom a practitioner treats are found by searches on the wrapped
// repository (policy.Relationship) and kept for [Repository.Fresh], 5 seconds unless
// set, for at most 1,000 practitioners. So a new relationship works, and one
// that leaves the window ends, within that time. Everything else is decided anew on each call.
//
// # Writing
//
// The resource as it is and as it will be are both judged. The version that was
// judged becomes a precondition of the write, which is judged anew when another
// writer was faster. Patients and proxies write only what the policy lists, about
// the patient of the token, and never what the server owns.
//
// Specification: SMART App Launch 2.2, Scopes and Launch Context; R4 6.1 (security).
//
// It may import fhir, fhir/extent, fhir/index, fhir/path, fhir/schema, fhir/search and the packages of smart below it.
package guard
