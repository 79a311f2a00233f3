// Package program runs the real program for tests that look at it from outside:
// it builds it, starts it as a user would, kills it, asks it to stop, and says how
// much memory it takes.
//
// It knows nothing of FHIR, and imports none of Portico's packages but
// internal/patience.
package program
