package commit

import (
	"context"

	"github.com/portico-fhir/portico/fhir"
)

// Pending is why a commit was refused that would have been carried out, had somebody looked at it before: a
// repository's own rules want that (review, in a chart map). It is the cause of a *fhir.Error.
type Pending struct {
	Change   fhir.Change
	Current  fhir.Resource // that it was to change; zero for a new one
	Elements []string      // that it changes, at the top of the resource
}

// Error implements error without any content.
func (p *Pending) Error() string {
	return "commit: somebody has to look at this change of a " + string(p.Change.Key.Type)
}

type approvedKey struct{}

// Approve returns a context under which nothing is Pending: somebody has looked at the changes.
func Approve(ctx context.Context) context.Context { return context.WithValue(ctx, approvedKey{}, true) }

// Approved reports whether a context is of Approve.
func Approved(ctx context.Context) bool { return ctx.Value(approvedKey{}) != nil }
