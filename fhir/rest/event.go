package rest

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// event is the one record of a request. It becomes the log line and the
// metrics. It holds ids and codes, never names, bodies or query values.
type event struct {
	Method      string
	Interaction interaction
	Type        fhir.Type
	ID          string
	Mount       string // of what is not the FHIR API
	Status      int
	Code        fhir.IssueCode // of the first issue, when it failed
	Start       time.Time
	Latency     time.Duration
	Bytes       int64 // of the response body, as sent
	RequestID   string
	Entry       int    // of a Bundle, counted from 1, that this is about; 0: it is the request itself
	Client      string // id of the app, and
	Account     string // of the person that asks
	Err         error  // private cause of a failure
	Stack       []byte // of a panic
}

// log writes the event as one line.
func (e *event) log(ctx context.Context, log *slog.Logger) {
	level := slog.LevelInfo
	switch {
	case e.Status == http.StatusServiceUnavailable && e.Err == nil: // there was too much to do
		level = slog.LevelWarn
	case e.Status >= 500:
		level = slog.LevelError
	}
	if log == nil || !log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("method", e.Method),
		slog.String("route", e.Interaction.route()),
		slog.String("interaction", e.Interaction.String()))
	if e.Mount != "" {
		attrs = append(attrs, slog.String("mount", e.Mount))
	}
	if e.Type != "" {
		attrs = append(attrs, slog.String("type", string(e.Type)))
	}
	if e.ID != "" {
		attrs = append(attrs, slog.String("id", e.ID))
	}
	attrs = append(attrs,
		slog.Int("status", e.Status),
		slog.Int64("us", e.Latency.Microseconds()),
		slog.Int64("bytes", e.Bytes),
		slog.String("request", e.RequestID))
	if e.Client != "" {
		attrs = append(attrs, slog.String("client", e.Client))
	}
	if e.Account != "" {
		attrs = append(attrs, slog.String("account", e.Account))
	}
	if e.Code != "" {
		attrs = append(attrs, slog.String("code", string(e.Code)))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("cause", e.Err.Error()))
	}
	if e.Stack != nil {
		attrs = append(attrs, slog.String("stack", string(e.Stack)))
	}
	what := "request"
	if e.Entry > 0 {
		what = "entry"
		attrs = append(attrs, slog.Int("entry", e.Entry))
	}
	log.LogAttrs(ctx, level, what, attrs...)
}
