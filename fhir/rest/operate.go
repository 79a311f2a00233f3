package rest

import (
	"errors"
	"net/http"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
)

// routeOperation is for $[code], [type]/$[code] and [type]/[id]/$[code] (R4 3.2.0).
func (s *Server) routeOperation(r *request, code string, instance bool) (handler, error) {
	var t fhir.Type
	var can fhir.Capability
	if r.kind != nil {
		t, can = r.kind.name, r.kind.can
	}
	d, err := s.Operations.Find(t, can, code, instance)
	var refusal *fhir.Error
	switch {
	case errors.As(err, &refusal):
		return nil, &httpError{http.StatusNotFound, "", refusal}
	case err != nil:
		return nil, err
	}
	// What changes nothing may be invoked by GET (R4 3.2.0.2).
	r.allow, r.op = "GET, HEAD, POST, OPTIONS", d
	if d.Writes {
		r.allow = "POST, OPTIONS"
	}
	switch {
	case r.Method == http.MethodOptions:
		return nil, nil
	case isRead(r.Method) && !d.Writes, r.Method == http.MethodPost:
		r.event.Interaction = invoke
		return s.operate, nil
	case d.Writes:
		return nil, notAllowed(r.allow, "$%s changes something: it is invoked by POST.", code)
	default:
		return nil, notAllowed(r.allow, "An operation is invoked by GET or POST.")
	}
}

// operate carries out an operation.
func (s *Server) operate(w *response, r *request) error {
	if r.Method == http.MethodPost {
		if err := refuseHeaders(r.Header, "If-Match", "If-None-Match", "If-None-Exist", "If-Unmodified-Since"); err != nil {
			return err
		}
	}
	body, err := s.readOperation(w, r)
	if err != nil {
		return err
	}
	var result operation.Result
	run := func() (err error) {
		result, err = s.Operations.Run(r.ctx, r.op, operation.Call{Key: r.key(), Params: r.params, Body: body, Caller: r.caller})
		return err
	}
	if r.op.Writes {
		err = run() // what it has done is told, whatever room there is
	} else {
		err = s.room.page(r.ctx, run)
	}
	switch {
	case err != nil:
		return err
	case result.Parameters != nil:
		return w.send(http.StatusOK, result.Parameters)
	case result.Outcome != nil:
		return w.send(http.StatusOK, appendOutcome(nil, result.Outcome))
	}
	path := "$" + r.op.Code
	switch {
	case r.op.Instance:
		path = r.key().String() + "/" + path
	case r.kind != nil:
		path = string(r.kind.name) + "/" + path
	}
	b := newBundle(w, "searchset", result.Page.Total, result.Shape, time.Time{})
	b.link("self", path, result.Used, r.shown)
	if result.Next != nil {
		b.link("next", path, result.Next, r.shown)
	}
	if err := b.found(result.Page); err != nil {
		return err
	}
	if len(result.Notes) > 0 {
		if err := b.outcome(result.Notes); err != nil {
			return err
		}
	}
	return b.close()
}

// readOperation reads the body of a POST: parameters, or what the operation makes of it.
func (s *Server) readOperation(w *response, r *request) ([]byte, error) {
	if !r.op.TakesBody {
		return nil, s.readParameters(w, r)
	}
	if r.Method != http.MethodPost || r.ContentLength == 0 {
		return nil, nil
	}
	if err := checkContent(r.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	return readBody(w, r, s.Limits.Body)
}

// readParameters adds the parameters in the body of a POST to those of the URL.
func (s *Server) readParameters(w *response, r *request) error {
	if r.Method != http.MethodPost || r.ContentLength == 0 {
		return nil
	}
	if err := checkContent(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	body, err := readBody(w, r, s.Limits.Form)
	if err != nil {
		return err
	}
	if _, err := s.Validator.Validate(body, "Parameters"); err != nil {
		return err
	}
	pairs, err := operation.ReadParameters(body)
	if err != nil {
		return err
	}
	if len(pairs)+len(r.params) > maxPairs {
		return fhir.Errorf(fhir.CodeTooCostly, "Parameters.parameter", "The request has more than %d parameters.", maxPairs)
	}
	r.params = append(r.params, pairs...)
	return r.present(r.params)
}
