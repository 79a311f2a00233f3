package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// statusOf is the one table from issue code to HTTP status (R4 3.1.0.1.5 and
// the notes at each interaction). A fault that HTTP has a word for but FHIR has
// not is a httpError.
func statusOf(code fhir.IssueCode) int {
	switch code {
	case fhir.CodeStructure, fhir.CodeInvalid, fhir.CodeNotSupported, fhir.CodeTooCostly:
		return http.StatusBadRequest
	case fhir.CodeRequired, fhir.CodeValue, fhir.CodeCodeInvalid, fhir.CodeInvariant, fhir.CodeExtension, fhir.CodeBusinessRule:
		return http.StatusUnprocessableEntity
	case fhir.CodeLogin:
		return http.StatusUnauthorized
	case fhir.CodeForbidden:
		return http.StatusForbidden
	case fhir.CodeNotFound:
		return http.StatusNotFound
	case fhir.CodeDeleted:
		return http.StatusGone
	case fhir.CodeConflict, fhir.CodeMultiple:
		return http.StatusPreconditionFailed
	case fhir.CodeDuplicate, fhir.CodeLocked, fhir.CodeInUse:
		return http.StatusConflict
	case fhir.CodeTooLong:
		return http.StatusRequestEntityTooLarge
	case fhir.CodeThrottled:
		return http.StatusTooManyRequests
	case fhir.CodeTransient:
		return http.StatusServiceUnavailable
	case fhir.CodeTimeout:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}

// httpError is a refusal that HTTP, not FHIR, defines.
type httpError struct {
	status  int
	allow   string // of a 405
	outcome *fhir.Error
}

// Error implements error.
func (e *httpError) Error() string { return e.outcome.Error() }

// Unwrap gives the outcome.
func (e *httpError) Unwrap() error { return e.outcome }

func notAllowed(allow, format string, args ...any) error {
	return &httpError{http.StatusMethodNotAllowed, allow, fhir.Errorf(fhir.CodeNotSupported, "", format, args...)}
}

func notServed(format string, args ...any) error {
	return &httpError{http.StatusNotFound, "", fhir.Errorf(fhir.CodeNotSupported, "", format, args...)}
}

func notAcceptable(path, format string, args ...any) error {
	return &httpError{http.StatusNotAcceptable, "", fhir.Errorf(fhir.CodeNotSupported, path, format, args...)}
}

func unsupportedMedia(path, format string, args ...any) error {
	return &httpError{http.StatusUnsupportedMediaType, "", fhir.Errorf(fhir.CodeNotSupported, path, format, args...)}
}

func misdirected() error {
	return &httpError{http.StatusMisdirectedRequest, "", fhir.Errorf(fhir.CodeForbidden, "http.Host",
		"Only this machine is served: the Host must be localhost or that of the base URL.")}
}

// statusClientGone is what the log says when nobody waits for the answer any
// more; no client ever sees it.
const statusClientGone = 499

// explain says what to tell the client about err: anything that was not made
// for the client is a fault of this server, and bland.
func explain(err error) (status int, issues []fhir.Issue) {
	var outcome *fhir.Error
	var edge *httpError
	switch {
	case errors.As(err, &edge):
		return edge.status, edge.outcome.Issues
	case errors.As(err, &outcome) && len(outcome.Issues) > 0:
		return statusOf(outcome.Code()), outcome.Issues
	case errors.Is(err, store.ErrUnavailable):
		return explain(fhir.Errorf(fhir.CodeTransient, "", "The store cannot serve this now. Try again later."))
	case errors.Is(err, context.DeadlineExceeded):
		return explain(fhir.Errorf(fhir.CodeTimeout, "", "The request took longer than this server allows. Ask for less, or try again."))
	case errors.Is(err, context.Canceled):
		return statusClientGone, fhir.Errorf(fhir.CodeTransient, "", "The request was given up.").Issues
	default:
		return explain(fhir.Errorf(fhir.CodeException, "", "The server failed. The request id in X-Request-Id names this failure in its log."))
	}
}

// cause is the private part of err, for the log: details that quote the request
// stay out of it.
func cause(err error) error {
	var outcome *fhir.Error
	if errors.As(err, &outcome) {
		return outcome.Err
	}
	return err
}
