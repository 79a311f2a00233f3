// Package suite tests a FHIR server over HTTP, as a client sees it. It needs
// nothing but a base URL, and works on any server whose CapabilityStatement
// tells what it can do; it writes resources of its own and deletes them again.
//
// The names of the cases start with the id of the requirement they show.
//
// Of Portico's packages it imports conformance/exact, the decision tables.
package suite
