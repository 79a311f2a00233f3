package rest

import (
	"context"
	"net/http"
	"strconv"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/job"
)

// pathJobs is where clients ask what became of what they did not wait for.
const pathJobs = "_async"

// credentials is the key of the Authorization header in the context of a job.
type credentials struct{}

// pollAfter is when a client should ask again, in seconds.
const pollAfter = "2"

// deferrable reports whether a request may be carried out behind the client's back: a Bundle
// or a search.
func (r *request) deferrable() bool {
	i := r.event.Interaction
	return !r.inner && (i == transaction || i.search() && isRead(r.Method))
}

// submit accepts a request that is to be carried out later (R4 3.1.6.1).
func (s *Server) submit(w *response, r *request) error {
	j := job.Request{Method: r.Method, Path: r.path, Query: r.URL.RawQuery, Header: http.Header{}, Base: r.base}
	for _, name := range []string{"Accept", "Content-Type", "Prefer", headerKey, headerProvenance} {
		if values := r.Header[name]; values != nil {
			j.Header[name] = values
		}
	}
	if r.event.Interaction == transaction {
		if err := checkContent(r.Header.Get("Content-Type")); err != nil {
			return err
		}
		var err error
		if j.Body, err = readBody(w.ResponseWriter, r, s.Limits.Bundle); err != nil {
			return err
		}
		if _, err = s.parseBundle(j.Body); err != nil {
			return err
		}
	}
	// Credentials are not kept, but for as long as this process lives.
	ctx := context.WithValue(r.ctx, credentials{}, r.Header["Authorization"])
	id, err := s.Jobs.Submit(ctx, r.caller, j)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Location", r.base+"/"+pathJobs+"/"+id)
	w.Header().Set("Retry-After", pollAfter)
	w.empty(http.StatusAccepted)
	return nil
}

// routeJob is for _async/[job].
func (s *Server) routeJob(r *request, id string) (handler, error) {
	r.allow = "GET, HEAD, DELETE, OPTIONS"
	if !fhir.ValidID(id) {
		return nil, noRoute()
	}
	r.event.Interaction, r.event.ID = jobStatus, id
	switch {
	case r.Method == http.MethodOptions:
		return nil, nil
	case isRead(r.Method):
		return s.jobStatus, nil
	case r.Method == http.MethodDelete:
		return s.cancelJob, nil
	}
	return nil, notAllowed(r.allow, "A job can be asked about, or cancelled by DELETE.")
}

// jobStatus says how far a job is, or what became of it: a Bundle with the answer that the
// request would have had as its one entry.
func (s *Server) jobStatus(w *response, r *request) error {
	if err := r.noParams(); err != nil {
		return err
	}
	j, err := s.Jobs.Find(r.ctx, r.caller, r.event.ID)
	if err != nil {
		return err
	}
	if j.State == job.Done {
		return s.sendJob(w, r, j)
	}
	progress := string(j.State)
	if j.Progress != "" {
		progress += ", " + j.Progress
	}
	w.Header().Set("X-Progress", progress)
	w.Header().Set("Retry-After", pollAfter)
	w.empty(http.StatusAccepted)
	return nil
}

// sendJob answers with what became of a job.
func (s *Server) sendJob(w *response, r *request, j job.Job) error {
	if err := s.room.check(); err != nil {
		return err
	}
	buf := append([]byte(`{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"`), strconv.Itoa(j.Status)+" "+http.StatusText(j.Status)+`"`...)
	end := `}]}`
	switch {
	case j.Size == 0:
		buf = append(buf, '}')
	case j.Status >= http.StatusBadRequest:
		buf = append(buf, `,"outcome":`...)
		end = `}` + end
	default:
		buf = append(buf, `},"resource":`...)
	}
	err := s.Jobs.Answer(r.ctx, j, func(part []byte) error {
		err := w.flush(append(buf, part...))
		buf = nil
		return err
	})
	if err != nil {
		return err
	}
	return w.end(append(buf, end...))
}

// cancelJob forgets a job, which is broken off if it is not too late.
func (s *Server) cancelJob(w *response, r *request) error {
	if err := r.noParams(); err != nil {
		return err
	}
	if err := s.Jobs.Cancel(r.ctx, r.caller, r.event.ID); err != nil {
		return err
	}
	w.empty(http.StatusAccepted)
	return nil
}
