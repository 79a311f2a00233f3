package rest

import "net/http"

// Other is a handler beside, or at an exact place below, the FHIR API, such as the
// authorization server. It is bound, logged and counted like all requests, by
// its path; what it answers, it answers itself.
type Other struct {
	Path    string // that it is mounted at, beginning with a slash
	Prefix  bool   // and all that is below it
	Handler http.Handler
}

// other wraps such a handler.
func (s *Server) other(o Other) http.Handler {
	return s.handle(o.Path, func(w *response, r *request) error {
		r.event.Interaction = otherwise
		r.event.Mount = o.Path
		w.Header().Del("Vary")
		o.Handler.ServeHTTP(&otherResponse{w}, r.WithContext(r.ctx))
		return nil
	})
}

// otherResponse notes the status that a plain handler answers with.
type otherResponse struct{ *response }

// WriteHeader implements http.ResponseWriter.
func (w *otherResponse) WriteHeader(status int) {
	if !w.started && status >= http.StatusOK {
		w.begin(status)
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *otherResponse) Write(p []byte) (int, error) {
	if !w.started {
		w.begin(http.StatusOK)
	}
	return w.response.Write(p)
}
