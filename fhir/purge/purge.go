package purge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
)

// Purger carries out purges. Records is required; it is safe for concurrent use.
type Purger struct {
	Records *record.Repository
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: nothing is logged
}

// Run removes what p says on behalf of who, a name or an id. A dry run leaves no trace. The
// Purged beside an error is what is gone already.
func (s *Purger) Run(ctx context.Context, who string, p record.Purge) (record.Purged, error) {
	if p.DryRun {
		return s.Records.Purge(ctx, p)
	}
	event := s.event(who, p)
	results, err := s.commit(ctx, fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: "AuditEvent"}}, event)
	if err != nil {
		return record.Purged{}, fmt.Errorf("purge: nothing was removed, for it cannot be recorded: %w", err)
	}
	sum, failed := s.Records.Purge(ctx, p)
	s.log(ctx, who, p, sum, failed)
	event.ID = results[0].Resource.ID
	event.finish(sum, failed)
	// What was done is recorded also when the caller has gone away.
	_, err = s.commit(context.WithoutCancel(ctx), fhir.Change{Method: fhir.Put, Key: results[0].Resource.Key}, event)
	return sum, errors.Join(failed, err)
}

func (s *Purger) commit(ctx context.Context, c fhir.Change, event *auditEvent) ([]fhir.Result, error) {
	body, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	c.Body = body
	return s.Records.Commit(ctx, []fhir.Change{c})
}

func (s *Purger) log(ctx context.Context, who string, p record.Purge, sum record.Purged, failed error) {
	if s.Log == nil {
		return
	}
	attrs := []slog.Attr{
		slog.String("by", who), slog.String("what", scope(p)), slog.Time("before", p.Before), slog.Bool("deleted", p.Deleted),
		slog.Int64("versions", sum.Versions), slog.Int64("resources", sum.Resources),
	}
	level := slog.LevelWarn // it cannot be undone
	if failed != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("cause", failed.Error()))
	}
	s.Log.LogAttrs(ctx, level, "purge", attrs...)
}

// scope says what a purge is about.
func scope(p record.Purge) string {
	switch {
	case p.Key.Type != "":
		return p.Key.String()
	case p.Types == nil:
		return "all types"
	}
	names := make([]string, len(p.Types))
	for i, t := range p.Types {
		names[i] = string(t)
	}
	return strings.Join(names, ",")
}

// auditEvent is as much of an AuditEvent as a purge fills in.
type (
	auditEvent struct {
		ResourceType string   `json:"resourceType"`
		ID           string   `json:"id,omitempty"`
		Type         coding   `json:"type"`
		Action       string   `json:"action"`
		Recorded     string   `json:"recorded"`
		Outcome      string   `json:"outcome,omitempty"`
		OutcomeDesc  string   `json:"outcomeDesc,omitempty"`
		Agent        []agent  `json:"agent"`
		Source       source   `json:"source"`
		Entity       []entity `json:"entity"`
	}
	coding struct {
		System  string `json:"system"`
		Code    string `json:"code"`
		Display string `json:"display"`
	}
	display struct {
		Display string `json:"display"`
	}
	agent struct {
		Who       display `json:"who"`
		Requestor bool    `json:"requestor"`
	}
	source struct {
		Observer display `json:"observer"`
	}
	entity struct {
		Name   string   `json:"name"`
		Detail []detail `json:"detail"`
	}
	detail struct {
		Type  string `json:"type"`
		Value string `json:"valueString"`
	}
)

// event is the AuditEvent of a purge that is about to begin.
func (s *Purger) event(who string, p record.Purge) *auditEvent {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	if who == "" {
		who = "not known"
	}
	return &auditEvent{
		ResourceType: "AuditEvent",
		Type:         coding{"http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "destroy", "Destroy/Delete Record Lifecycle Event"},
		Action:       "D",
		Recorded:     fhir.FormatInstant(now()),
		Agent:        []agent{{Who: display{who}, Requestor: true}},
		Source:       source{display{"Portico"}},
		Entity: []entity{{Name: scope(p), Detail: []detail{
			{"before", fhir.FormatInstant(p.Before)}, {"deleted", strconv.FormatBool(p.Deleted)},
		}}},
	}
}

// finish adds what came of it.
func (e *auditEvent) finish(sum record.Purged, failed error) {
	e.Outcome = "0"
	if failed != nil {
		e.Outcome, e.OutcomeDesc = "8", "The purge was broken off."
	}
	e.Entity[0].Detail = append(e.Entity[0].Detail,
		detail{"versions removed", strconv.FormatInt(sum.Versions, 10)}, detail{"resources removed", strconv.FormatInt(sum.Resources, 10)})
}
