package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/store"
)

// endpoint is one path.
type endpoint struct {
	methods string // as in an Allow header
	open    bool   // any web page may read the answer
	handle  func(http.ResponseWriter, *http.Request) error
}

// wrap is the one wrapper around every endpoint: methods, what browsers may see, and
// errors.
func (s *Server) wrap(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Pragma", "no-cache") // RFC 6749 5.1
		s.allowOrigin(e, h, r)
		if r.Method == http.MethodOptions {
			preflight(e, w, r)
			return
		}
		if !slices.Contains(strings.Split(e.methods, ", "), r.Method) {
			h.Set("Allow", e.methods)
			answer(w, http.StatusMethodNotAllowed, refusal{oauth.InvalidRequest, "The method must be " + e.methods + "."})
			return
		}
		if err := e.handle(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// allowOrigin lets pages see the answer: of any origin, or of one that an app is
// registered with. Whoever knows the app then calls ownOrigin.
func (s *Server) allowOrigin(e endpoint, h http.Header, r *http.Request) {
	h.Del("Access-Control-Allow-Origin")
	h.Add("Vary", "Origin")
	switch origin := r.Header.Get("Origin"); {
	case e.open:
		h.Set("Access-Control-Allow-Origin", "*")
	case origin != "" && s.Clients.Origin(r.Context(), origin):
		h.Set("Access-Control-Allow-Origin", origin)
	}
}

// ownOrigin keeps what one app gets from the pages of another.
func ownOrigin(c *client.Client, w http.ResponseWriter, r *http.Request) {
	if !c.AllowsOrigin(r.Header.Get("Origin")) {
		w.Header().Del("Access-Control-Allow-Origin")
	}
}

// preflight answers a browser that asks before it calls.
func preflight(e endpoint, w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Allow", e.methods+", OPTIONS")
	if r.Header.Get("Access-Control-Request-Method") != "" && h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", e.methods)
		h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

// refusal is the JSON of an error (RFC 6749 5.2).
type refusal struct {
	Error       oauth.Code `json:"error"`
	Description string     `json:"error_description,omitempty"`
}

// statuses are the HTTP statuses of errors. All others are 400.
var statuses = map[oauth.Code]int{
	oauth.InvalidClient:          http.StatusUnauthorized,
	oauth.InvalidToken:           http.StatusUnauthorized,
	oauth.InsufficientScope:      http.StatusForbidden,
	oauth.ServerError:            http.StatusInternalServerError,
	oauth.TemporarilyUnavailable: http.StatusServiceUnavailable,
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := explain(err)
	status, ok := statuses[e.Code]
	if !ok {
		status = http.StatusBadRequest
	}
	h := w.Header()
	switch e.Code {
	case oauth.InvalidClient:
		if r.Header.Get("Authorization") != "" {
			h.Set("WWW-Authenticate", `Basic realm="`+s.Base+`"`)
		}
	case oauth.InvalidToken, oauth.InsufficientScope:
		h.Set("WWW-Authenticate", `Bearer realm="`+s.Base+`", error="`+string(e.Code)+`"`)
	case oauth.TemporarilyUnavailable:
		h.Set("Retry-After", "1")
	}
	if s.Log != nil {
		level := slog.LevelInfo
		if e.Code == oauth.ServerError {
			level = slog.LevelError
		}
		s.Log.Log(r.Context(), level, "authorization", "path", r.URL.Path, "error", string(e.Code), "cause", e.Err)
	}
	answer(w, status, refusal{e.Code, e.Description})
}

// explain turns any error into what the client is told.
func explain(err error) *oauth.Error {
	var refused *oauth.Error
	var outcome *fhir.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &outcome) && outcome.Code() == fhir.CodeLogin:
		return oauth.Errorf(oauth.InvalidToken, "%s", outcome.Issues[0].Detail).Because(err)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return oauth.Errorf(oauth.TemporarilyUnavailable, "The server cannot answer now. Try again in a moment.").Because(err)
	}
	return oauth.Errorf(oauth.ServerError, "The server failed. The fault is logged.").Because(err)
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	write(w, status, append(data, '\n'))
}

// write sends JSON. An error of the connection has nobody to be told to.
func write(w http.ResponseWriter, status int, data []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// maxBody bounds a body in bytes.
const maxBody = 64 << 10

// form reads the parameters of a body; those in the URL do not count (RFC 6749 3.2).
func form(w http.ResponseWriter, r *http.Request) (oauth.Params, error) {
	bad := func(format string, args ...any) (oauth.Params, error) {
		return oauth.Params{}, oauth.Errorf(oauth.InvalidRequest, format, args...)
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return bad("The body must be a form: Content-Type application/x-www-form-urlencoded.")
	}
	if r.URL.RawQuery != "" {
		return bad("Parameters belong in the body, not in the URL, where they end up in logs.")
	}
	body, err := read(w, r)
	if err != nil {
		return oauth.Params{}, err
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return bad("The body is not a form: name=value, joined by &, percent-encoded.")
	}
	return oauth.Once(values)
}

// read gives the body.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return nil, oauth.Errorf(oauth.InvalidRequest, "The body has more than %d bytes.", maxBody)
	}
	if err != nil {
		return nil, oauth.Errorf(oauth.InvalidRequest, "The body could not be read.").Because(err)
	}
	return body, nil
}

// bearer gives what the access token of a request stands for; there is false when
// none was sent.
func (s *Server) bearer(r *http.Request) (a *access.Access, there bool, err error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return nil, false, nil
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, false, nil
	}
	if len(values) > 1 {
		return nil, true, oauth.Errorf(oauth.InvalidRequest, "There is more than one Authorization header.")
	}
	a, err = s.Tokens.Authenticate(r.Context(), strings.TrimSpace(text))
	return a, true, err
}
