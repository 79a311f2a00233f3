// Package terminology answers which codes a value set holds, and which lie above or
// below another in the hierarchy of their code system, as far as searches on tokens
// ask for it: the modifiers :in, :not-in, :above and :below.
//
// [Repository] wraps another that knows none of it. A term with one of these
// modifiers becomes one with a [fhir.TokenSet], which records and chart maps find
// as they find any token; so nothing is searched differently from a list of codes
// that the client wrote itself. The definitions are read for each search, and in
// chains and _has, too.
//
// Value sets and code systems are those that are kept here as resources, as far as
// the wrapped repository shows them, and behind them R4's own: those of
// http://hl7.org/fhir and http://terminology.hl7.org that list their codes, in
// r4.txt. What the definition does not tell is not guessed: a filter on a system
// that is not known here, or only in part, is refused, unless the ValueSet has its
// expansion with it. All codes of a system that is not known are whatever has the
// system.
//
// All of it is bounded; what would need more is refused with CodeTooCostly.
//
// Specification: FHIR R4 3.1.1.4.1 (modifiers), 3.1.1.4.10 (token), 4.7 and 4.8
// (CodeSystem), 4.9 (ValueSet; compose in 4.9.7, expansion in 4.9.8).
//
// It may import fhir.
package terminology

//go:generate go run ./internal/gen ../../.cache/r4-examples/package r4.txt
