// Package subset cuts resources down to what a client asked for: _summary (R4
// 3.1.1.5.8) and _elements (R4 3.1.1.5.9).
//
// It owns the table of summary elements and the cutting of stored JSON. What is
// kept is kept byte for byte; meta says SUBSETTED. It does not know where
// resources come from or where they go.
//
// Specification: FHIR R4 3.1.1.5.8, 3.1.1.5.9 and ElementDefinition.isSummary.
//
// It may import fhir and fhir/extent.
package subset

//go:generate go run ./internal/gen ../../.cache/r4-examples/package rows_gen.go
