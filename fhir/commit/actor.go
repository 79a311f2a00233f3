package commit

import (
	"context"

	"github.com/portico-fhir/portico/fhir"
)

// Actor is who makes a change, as far as a repository's own rules ask: which states
// of the EHR may follow on which, who may write an element. Whether the change is allowed
// at all was decided before.
type Actor struct {
	Role string     // "patient", "proxy", "clinician", "staff" or "system"
	Self []fhir.Key // resources that are this person: a Patient, a Practitioner, a RelatedPerson
}

type actorKey struct{}

// As returns a context whose commits are made by a. Without one, a repository takes
// whoever its rules know to be acting.
func As(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf gives who makes the commits of a context; not ok when that is not known.
func ActorOf(ctx context.Context) (a Actor, ok bool) {
	a, ok = ctx.Value(actorKey{}).(Actor)
	return a, ok
}
