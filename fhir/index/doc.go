// Package index says what a resource is found by: it takes the values of search
// parameters out of a resource's JSON, compares them with the terms of a query,
// and turns both into keys of one sorted index.
//
// # Keys
//
// A resource has a list of entries, strings that sort by their bytes. They start
// with the code of the parameter: one byte for R4's, from codes.txt, and for any
// other ~ and a hash of its canonical, so that no parameter's entries depend on
// which others there are. What follows depends on the type of the parameter:
//
//	token      code                          in whatever system
//	           code 00 hash(system)          in that one; nothing behind 00 for none
//	           03 text                       what is printed with a code, for the parameter code: as string, cut to 12
//	reference  Type/id, or 01 URL
//	           02 value 00 hash(system)      its identifier
//	uri        uri
//	string     text without case and accents, cut to 100 characters
//	           04 two names                  family alone: a family name and a given name, character by character
//	number     value
//	quantity   value                         in whatever unit
//	composite  code 00 value                 code-value-quantity alone, in whatever system and unit
//	           n, and as the part's type     the n-th part of one that is not R4's, where an element has all
//	date       class start                   of a span whose length the class tells
//	           v start, w end                of other spans
//	near       geohash                       of a position, nine characters
//	_text      word                          of the narrative, cut to 30 characters
//	_content   word                          of all other text, unless the narrative has it
//	           00                            there are more words than have entries
//
// Entries that follow from others are left out: those of _id and _lastUpdated,
// which stores have fields for; those of a parameter whose values others have,
// such as combo-code; references to a Patient by patient where subject has them
// too; and code with a system for elements whose system is always the same.
//
// Codes, ids and URIs of more than 100 bytes end in a hash. Numbers and instants
// are written so that their bytes sort like their values.
//
// A resource of a patient also has entries with the patient in front, 01 patient
// 00, before the tokens that apps combine with a patient: so a patient's
// laboratory results are one stretch of the index.
//
// An index may only narrow down: [Plan] says whether its filter finds exactly
// what matches, or whether [Matcher] has to look at each candidate.
//
// Specification: FHIR R4 3.1.1 (Search).
//
// It may import fhir, fhir/path, fhir/schema, fhir/search and store.
package index

//go:generate go run ./internal/gen ../../.cache/r4-examples/package systems_gen.go
