package fhir

import "time"

// instantLayout is an R4 instant in UTC with milliseconds, the precision of
// meta.lastUpdated everywhere in Portico.
const instantLayout = "2006-01-02T15:04:05.000Z"

// FormatInstant writes t as an R4 instant in UTC, cut to milliseconds:
// "2026-11-22T16:30:00.125Z".
func FormatInstant(t time.Time) string { return t.UTC().Format(instantLayout) }
