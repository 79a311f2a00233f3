// Package clinic is a small family practice in Oslo, kept in the collections
// of its own EHR and not in FHIR: the demo of `portico serve --demo`, and the data
// that tests of the chart map run on. Nobody in it exists.
//
// It owns the data (collections, made by the program in gen), and the chart
// map that says how they are FHIR resources (chart.yaml). It does not store
// them anywhere, and imports none of Portico's packages.
package clinic
