package rest

import (
	"context"
	"net/http"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// Caller is who a request comes from, as far as the edge needs to know.
type Caller struct {
	// Name is what cursors are bound to: the same for the same person in the same
	// role with the same rights, and for nobody else.
	Name string
	// Client and Account are the ids of the app and of the person, for the log.
	Client, Account string
}

// Authenticator says who a request below the FHIR base comes from. The context
// that it returns is what the Repository gets. Its error is a *fhir.Error of
// CodeLogin when the caller is not known, or CodeForbidden. Safe for concurrent use.
type Authenticator func(context.Context, http.Header) (context.Context, Caller, error)

// authenticated lets through what has valid credentials, what is open to all, and
// preflights, which never have any.
func (s *Server) authenticated(w *response, r *request) error {
	if s.Authenticate == nil || r.Method == http.MethodOptions || open(r.path) {
		return s.dispatch(w, r)
	}
	ctx, caller, err := s.Authenticate(r.ctx, r.Header)
	if err != nil {
		return s.refused(r, err)
	}
	r.ctx, r.caller = ctx, caller.Name
	r.event.Client, r.event.Account = caller.Client, caller.Account
	return s.dispatch(w, r)
}

// open reports whether a path below the base is for everybody.
func open(path string) bool { return strings.Trim(path, "/") == "metadata" }

// challenge tells a client what credentials are wanted, and what is wrong with those
// that it sent (RFC 6750 3).
func (s *Server) challenge(h http.Header, r *request, status int) {
	switch {
	case s.Authenticate == nil:
	case status == http.StatusUnauthorized && r.Header.Get("Authorization") != "":
		h.Set("WWW-Authenticate", `Bearer realm="`+s.Base+`", error="invalid_token"`)
	case status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="`+s.Base+`"`)
	case status == http.StatusForbidden:
		h.Set("WWW-Authenticate", `Bearer realm="`+s.Base+`", error="insufficient_scope"`)
	}
}

// unknownCaller is for credentials that are not there.
func unknownCaller() error {
	return fhir.Errorf(fhir.CodeLogin, "http.Authorization", "An access token is wanted: Authorization: Bearer …. [base]/.well-known/smart-configuration says where to get one.")
}

// Bearer is the access token of a request (RFC 6750 2.1). CodeLogin when there is
// none: tokens in the URL or in forms are not taken.
func Bearer(h http.Header) (string, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", unknownCaller()
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", fhir.Errorf(fhir.CodeLogin, "http.Authorization", "The Authorization header must be: Bearer, a space, and one access token.")
	}
	return token, nil
}
