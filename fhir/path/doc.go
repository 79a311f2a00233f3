// Package path evaluates FHIRPath over the JSON of a resource.
//
// An expression is parsed once ([Parse]) and evaluated many times ([Expr.Eval])
// on a [Doc], an index over a resource's JSON that decodes values only when they
// are looked at. Parsing and evaluation are bounded: a length and a nesting depth for the
// former, a number of steps for the latter. What the types of a resource are called comes from a
// [Model]; fhir/schema has R4's.
//
// It covers FHIRPath 2.0 (the normative release that R4 uses) with FHIR's own
// additions: extension, hasValue, resolve, %resource and others. It does not
// reach outside the resource: resolve() gives contained resources, and for other
// references something of the right type and id without content.
//
// Specifications: FHIRPath 2.0.0 (http://hl7.org/fhirpath/N1), FHIR R4 2.9
// (FHIRPath).
//
// It may import fhir.
package path
