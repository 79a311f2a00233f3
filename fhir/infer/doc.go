// Package infer drafts a chart map: it looks at a sample of the documents in an
// EHR's collections and proposes which resource types they are and what each
// field could be.
//
// It owns the look at documents (which fields there are, of what kinds, how often,
// what they refer to), the guesses, and the YAML that comes of them. The draft
// loads as it is, and is meant to be read and corrected by somebody who knows the
// EHR: every guess stands with the confidence that it was made with, and what was not
// understood is listed.
//
// No value of a document is ever printed, but for codes: a text of one short word that
// many documents share. That is what a code table is made of.
//
// It may import store.
package infer
