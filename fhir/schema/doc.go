// Package schema says what a FHIR R4 resource may look like in JSON: its tables
// are compiled from google/fhir's proto descriptors and annotations, and
// Validator holds a resource's bytes against them in one pass over the tokens.
//
// It checks the JSON itself, the shape (elements, cardinality, choices,
// companions of primitives), the values of primitives, required bindings,
// reference targets, contained resources, extensions and narrative. It does not
// check profiles, terminologies beyond required bindings, or the constraints
// that the specification writes in FHIRPath.
//
// Specification: FHIR R4 sections 2.4 (narrative), 2.5 (extensions), 2.24 (data
// types), 2.3 (references, contained resources), 2.6.2 (JSON).
//
// It may import fhir and fhir/path.
package schema
