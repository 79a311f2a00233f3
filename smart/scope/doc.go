// Package scope reads and compares SMART scopes: what a token says its holder may
// do.
//
// It owns their grammar and their meaning as a set: what a set allows, what two
// have in common, whether one holds no more than another. It does not know who
// may be granted what, and a granted scope by itself opens nothing: the guard
// also asks whose record it is.
//
// What is not defined is refused, never widened: letters that are unknown, twice
// or out of their order c r u d s, types that R4 does not have, names that are no
// scope.
//
// Specification: SMART App Launch 2.2, Scopes and Launch Context; RFC 6749 3.3.
//
// It may import fhir.
package scope
