// Package patch changes a resource by a description of the change: JSON Patch and
// FHIRPath Patch.
//
// Both work on the JSON text. What a patch does not touch stays as it is, byte for
// byte: decimals keep their digits, members their order. A patch knows nothing
// of repositories and versions; whether the result is a valid resource is for
// the caller to check.
//
// Specification: R4 3.1.0.6 (patch), R4 fhirpatch.html (FHIRPath Patch), RFC 6902
// (JSON Patch), RFC 6901 (JSON Pointer).
//
// It may import fhir, fhir/extent, fhir/path and fhir/schema.
package patch
