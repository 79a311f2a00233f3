// Package checkup looks at an EHR through its chart map and says what it finds: whether
// the map keeps its laws on the clinic's own documents (Laws), what is wrong with these
// (Examine), whether cases that somebody wrote down come out as expected (Case), what a write would
// change (Explain), and which elements of a profile the map provides (Cover).
//
// It only reads: writes are planned and never applied. Findings name maps, lines, elements
// and ids, never values.
//
// It may import fhir, fhir/chartmap, fhir/commit, fhir/index, fhir/path, fhir/schema,
// fhir/search, store and store/memory.
package checkup
