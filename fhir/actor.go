package fhir

import "context"

// Role says in what role somebody uses a repository. What lies behind the guard
// does not decide who may do what, but an EHR has rules of its own that depend on
// it: results that patients see once they are released, and who may move an
// appointment where.
type Role string

// The roles. Without a role no rule that depends on one restricts anything.
const (
	RolePatient   Role = "patient"   // a patient in their own record
	RoleProxy     Role = "proxy"     // somebody who acts for a patient
	RoleClinician Role = "clinician" // a professional
	RoleSystem    Role = "system"    // a client by itself
)

// Lay reports whether somebody in this role sees only what has been released.
func (r Role) Lay() bool { return r == RolePatient || r == RoleProxy }

// Actor is who uses a repository; the zero Actor is nobody in particular.
type Actor struct {
	Role Role
	Key  Key // Patient/…, RelatedPerson/… or Practitioner/…; zero for RoleSystem
}

// actorKey is that of the Actor in a context.
type actorKey struct{}

// WithActor gives a context that carries a.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom gives the Actor that a context carries, the zero one without.
func ActorFrom(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}
