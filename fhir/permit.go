package fhir

import "context"

// Permitter is a Repository that does not let every caller search every type.
type Permitter interface {
	// MaySearch reports whether the caller that the context carries may search
	// resources of a type at all. Asking for them is refused otherwise, with
	// CodeForbidden; what was not asked for by its type is to be left out.
	MaySearch(ctx context.Context, t Type) bool
}

// MaySearch asks a repository that is a Permitter; others let everybody search.
func MaySearch(ctx context.Context, r Repository, t Type) bool {
	p, ok := r.(Permitter)
	return !ok || p.MaySearch(ctx, t)
}

// changeKey is that of the Method in a context.
type changeKey struct{}

// ForChange gives a context that says: what is read and searched under it decides
// what a change of this method comes to. Whoever may make the change may have that
// looked up, even without being allowed to read or search by themselves.
func ForChange(ctx context.Context, m Method) context.Context {
	return context.WithValue(ctx, changeKey{}, m)
}

// ChangeFrom gives the method of ForChange, 0 without.
func ChangeFrom(ctx context.Context) Method {
	m, _ := ctx.Value(changeKey{}).(Method)
	return m
}
