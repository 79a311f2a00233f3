// Package search turns search requests into the query algebra of package fhir.
//
// It owns the registry of R4's search parameters, the grammar of names, prefixes, modifiers and
// values, the result parameters, and the page cursors of next links. It does
// not know where resources live: a repository says which parameters it can
// answer ([fhir.Capability]), everything else is refused, and compiles the query
// itself.
//
// Specification: FHIR R4 3.1.1 (Search) and its SearchParameter definitions, 3.1.3
// (_filter), whose expressions become the same algebra.
//
// It may import fhir and store.
package search

//go:generate go run ./internal/gen ../../.cache/r4-examples/package params_gen.go
//go:generate go run ./internal/compartments ../../.cache/r4-examples/package compartments_gen.go
