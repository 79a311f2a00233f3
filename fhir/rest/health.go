package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// readyTimeout bounds the question to the store, so that a probe never hangs.
const readyTimeout = 2 * time.Second

// healthz says that the process answers.
func (s *Server) healthz(w *response, r *request) error {
	return s.probe(w, r, nil)
}

// readyz says whether requests should be sent here: not while stopping, nor while
// the store cannot be reached.
func (s *Server) readyz(w *response, r *request) error {
	return s.probe(w, r, func() error {
		if s.draining.Load() {
			return fhir.Errorf(fhir.CodeTransient, "", "The server is stopping.")
		}
		if s.Ready == nil {
			return nil
		}
		ctx, cancel := context.WithTimeout(r.ctx, readyTimeout)
		defer cancel()
		if err := s.Ready(ctx); err != nil {
			return fhir.Errorf(fhir.CodeTransient, "", "The store cannot be reached.").Because(err)
		}
		return nil
	})
}

func (s *Server) probe(w *response, r *request, check func() error) error {
	r.event.Interaction = health
	if !isRead(r.Method) {
		return notAllowed("GET, HEAD", "This can only be read.")
	}
	if check != nil {
		if err := check(); err != nil {
			return err
		}
	}
	r.media = mediaJSON
	return w.send(http.StatusOK, []byte(`{"status":"ok"}`))
}

// nowhere answers for URLs that are not ours.
func (s *Server) nowhere(*response, *request) error {
	return fhir.Errorf(fhir.CodeNotFound, "http.url", "There is nothing at this URL. The FHIR API is at %s.", s.Base)
}
