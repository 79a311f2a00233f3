package rest

import (
	"context"
	"net/http"
	"time"

	fhirbundle "github.com/portico-fhir/portico/fhir/bundle"
)

// entryEvent is the event of an entry of a Bundle, whose number counts from 0.
func entryEvent(outer *request, entry int, method string, start time.Time) event {
	return event{
		Method: methodName(method), Start: start, Entry: entry + 1,
		RequestID: outer.event.RequestID, Client: outer.event.Client, Account: outer.event.Account,
	}
}

// logEntry logs and counts an entry of a Bundle, as a request by itself would be.
func (s *Server) logEntry(ctx context.Context, e *event) {
	if e.Status == 0 {
		e.Status = statusOf(e.Code)
	}
	e.Latency = s.Now().Sub(e.Start)
	s.Metrics.entry(e.Interaction, e.Status)
	e.log(ctx, s.Log)
}

// logWritten logs and counts what a transaction has written, entry by entry. Its reads were carried
// out as requests of their own.
func (s *Server) logWritten(r *request, b *fhirbundle.Bundle, answers []fhirbundle.Answer) {
	interactions := map[string]interaction{
		http.MethodPost: create, http.MethodPut: update, http.MethodPatch: patchResource, http.MethodDelete: remove,
	}
	for i, a := range answers {
		if b.Entries[i].Asks() || a.Key.Type == "" {
			continue
		}
		e := entryEvent(r, i, b.Entries[i].Request.Method, r.event.Start)
		e.Interaction, e.Type, e.ID, e.Status = interactions[b.Entries[i].Request.Method], a.Key.Type, a.Key.ID, a.Status
		s.logEntry(r.ctx, &e)
	}
}
