package rest

import (
	"context"
	"net/http"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/receipt"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/write"
)

// handler answers one request; what it returns becomes an OperationOutcome.
type handler func(w *response, r *request) error

// request is an HTTP request with what the edge has found out about it.
type request struct {
	*http.Request
	ctx   context.Context // with the deadline; replaces that of the http.Request
	event event
	base  string // FHIR base URL as this client sees it

	share      share             // of the memory that all requests have
	provenance *write.Provenance // of the header X-Provenance
	claim      *receipt.Claim    // of a request with an Idempotency-Key
	inner      bool              // it is an entry of another, or carried out as a job,
	progress   func(string)      // which tells how far it is
	whole      []byte            // the body, where it was read before its handler is called
	caller     string            // whom cursors are bound to; empty without authorization
	path       string            // below the base, still percent-encoded
	kind       *kind             // of the type in the URL
	version    string            // of a vread
	within     fhir.Key          // the resource whose compartment is searched,
	several    bool              // and that for more than one type
	op         operation.Definition
	allow      string        // methods on the URL, where they do not follow from kind
	params     []search.Pair // of the URL, and of the body of a POST _search
	shown      []search.Pair // _format and _pretty, for links
	prefer     prefer
	plan       func(*search.Request, fhir.Page) string // for X-Portico-Explain
	media      string                                  // to answer in; "" when the client takes none of ours
	pretty     bool
}

// Context returns the context with the request's deadline.
func (r *request) Context() context.Context { return r.ctx }

// key is what an instance URL names.
func (r *request) key() fhir.Key { return fhir.Key{Type: r.event.Type, ID: r.event.ID} }
