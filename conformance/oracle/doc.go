// Package oracle compares fhir/schema with google/fhir's jsonformat and with the
// official definitions and examples of R4; ./gen compiles google/fhir's
// descriptors into the product's tables.
//
// It is a module of its own, so that google/fhir and its dependencies never
// reach the product's. It may import any of our packages; nothing imports it.
package oracle
