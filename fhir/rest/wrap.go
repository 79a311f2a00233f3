package rest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// handle is the one wrapper around every handler: it makes the event, sets the
// headers that every answer has, bounds time and concurrency, turns errors and
// panics into outcomes, logs and counts.
func (s *Server) handle(prefix string, h handler) http.Handler {
	return http.HandlerFunc(func(hw http.ResponseWriter, hr *http.Request) {
		ctx, cancel := context.WithTimeout(hr.Context(), s.Limits.Timeout)
		defer cancel()
		defer interruptible(ctx, hw, hr)()
		r := &request{Request: hr, ctx: ctx, base: s.baseFor(hr), media: mediaFHIR, share: share{room: s.room}}
		defer r.share.release()
		r.path = strings.TrimPrefix(hr.URL.EscapedPath(), prefix)
		r.event = event{Method: methodName(hr.Method), Start: s.Now(), RequestID: s.requestID(hr.Header)}
		w := &response{ResponseWriter: hw, req: r, pools: s.pools}
		s.Metrics.begin()
		defer s.finish(w, r)

		s.commonHeaders(w.Header(), r)
		n := s.inFlight.Add(1)
		defer s.inFlight.Add(-1)
		var err error
		switch {
		case n > s.Limits.InFlight && prefix != "":
			err = fhir.Errorf(fhir.CodeTransient, "", "The server is busy. Try again in a second.")
		case prefix != "" && s.room.full():
			err = crowded()
		case s.LoopbackOnly && !s.isOurs(hr.Host):
			err = misdirected()
		default:
			err = h(w, r)
		}
		if err != nil {
			s.fail(w, r, stopped(ctx, err))
		}
	})
}

// commonHeaders are on every answer. Charts must not stay in caches.
func (s *Server) commonHeaders(h http.Header, r *request) {
	values := [...]string{r.event.RequestID, "nosniff", "no-store", "Accept, Accept-Encoding, Origin"} // one allocation
	h["X-Request-Id"] = values[0:1:1]
	h["X-Content-Type-Options"] = values[1:2:2]
	h["Cache-Control"] = values[2:3:3]
	h["Vary"] = values[3:4:4]
	s.allowOrigin(r.ctx, h, r.Header)
}

// fail answers with the outcome of err.
func (s *Server) fail(w *response, r *request, err error) {
	status, issues := explain(err)
	if w.broken {
		status = statusClientGone
	}
	r.event.Code = issues[0].Code
	r.event.Err = cause(err)
	if w.started {
		r.event.Status = status
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Del("Last-Modified")
	var edge *httpError
	if errors.As(err, &edge) && edge.allow != "" {
		h.Set("Allow", edge.allow)
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests || issues[0].Code == fhir.CodeLocked {
		h.Set("Retry-After", "1")
	}
	s.challenge(h, r, status)
	if r.media == "" {
		r.media = mediaFHIR
	}
	if err := w.send(status, appendOutcome(nil, issues)); err != nil && r.event.Err == nil {
		r.event.Err = err // of the connection; the outcome is the better code
	}
}

// finish runs last for every request, be it after a panic. When the answer was
// broken off, it has net/http drop the connection, so that the client sees that
// this was not all.
func (s *Server) finish(w *response, r *request) {
	abort := false
	if p := recover(); p != nil {
		abort = w.started || p == http.ErrAbortHandler
		if p != http.ErrAbortHandler {
			s.survive(w, r, p)
		}
	}
	e := &r.event
	if e.Status == 0 {
		e.Status = w.status
	}
	e.Latency = s.Now().Sub(e.Start)
	s.Metrics.end(e.Interaction, e.Status, e.Latency, e.Bytes)
	e.log(r.ctx, s.Log)
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// survive answers after a panic. Its value may quote the request, so that only
// the runtime's own errors are logged.
func (s *Server) survive(w *response, r *request, p any) {
	err := fmt.Errorf("panic of type %T", p)
	if re, ok := p.(runtime.Error); ok {
		err = fmt.Errorf("panic: %w", re)
	}
	r.event.Stack = debug.Stack()
	if w.started {
		r.event.Status = http.StatusInternalServerError
		r.event.Code = fhir.CodeException
		r.event.Err = err
		return
	}
	w.whole = nil
	s.fail(w, r, err)
}

// methodName keeps what clients make up out of logs.
func methodName(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	default:
		return "other"
	}
}

// requestID takes the client's X-Request-Id when it is sane, so that one id
// can be followed through several systems.
func (s *Server) requestID(h http.Header) string {
	values := h["X-Request-Id"]
	if len(values) == 1 && fhir.ValidID(values[0]) {
		return values[0]
	}
	return s.NewID()
}

// randomID makes a request id. It needs to be unique, not secret.
func randomID() string {
	const digits = "0123456789abcdef"
	var b [20]byte
	for i, n := 0, rand.Uint64(); i < 16; i, n = i+1, n>>4 {
		b[i] = digits[n&15]
	}
	for i, n := 16, rand.Uint32(); i < 20; i, n = i+1, n>>4 {
		b[i] = digits[n&15]
	}
	return string(b[:])
}
