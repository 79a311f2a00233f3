package review

import (
	"context"
	"errors"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
)

// Repository is another one, of the EHR and the records, whose changes may want to be looked at first. All
// fields are set before the first call. It is safe for concurrent use.
type Repository struct {
	fhir.Repository
	Now func() time.Time // nil: time.Now
}

var _ fhir.Repository = (*Repository)(nil)

func (r *Repository) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

// Commit implements [fhir.Repository]. A change that somebody has to look at first becomes a proposal, and its
// Result is fhir.Proposed; it is sent alone, else CodeBusinessRule. An update of a proposal is what somebody
// decided about it.
func (r *Repository) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	planned, decided, err := r.decisions(ctx, changes)
	if err != nil {
		return nil, err
	}
	if decided != nil {
		return decided.commit(ctx, r.Repository, planned)
	}
	results, err := r.Repository.Commit(ctx, planned)
	var pending *commit.Pending
	if !errors.As(err, &pending) {
		return results, err
	}
	if len(changes) > 1 {
		return nil, fhir.Errorf(fhir.CodeBusinessRule, "", "The clinic looks at this change of a %s first. Send it alone, not together with others.", pending.Change.Key.Type)
	}
	return r.propose(ctx, pending)
}

// propose keeps a change as a Task.
func (r *Repository) propose(ctx context.Context, pending *commit.Pending) ([]fhir.Result, error) {
	body, err := newTask(ctx, pending, r.now())
	if err != nil {
		return nil, err
	}
	proposed := func(results []fhir.Result) []fhir.Result {
		res := results[0].Resource
		res.Body = nil
		return []fhir.Result{{Status: fhir.Proposed, Resource: res}}
	}
	results, err := r.Repository.Commit(commit.Instead(ctx, proposed), []fhir.Change{{Method: fhir.Create, Key: fhir.Key{Type: "Task"}, Body: body}})
	if err != nil {
		return nil, err
	}
	return proposed(results), nil
}
