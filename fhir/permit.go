package fhir

import "context"

// Use is what somebody wants to do with resources of a type.
type Use uint8

// The uses.
const (
	ToRead Use = iota + 1 // one resource, its versions
	ToSearch
	ToCreate
	ToUpdate
	ToDelete
)

// Permitter is a Repository that does not let every caller do everything with every
// type.
type Permitter interface {
	// Permits gives the error with which the caller that the context carries is
	// refused whatever they ask for of this kind on the type (CodeForbidden, CodeLogin);
	// nil where it depends on the resource.
	Permits(ctx context.Context, t Type, u Use) error
}

// Permits asks a repository that is a Permitter; others permit everything.
func Permits(ctx context.Context, r Repository, t Type, u Use) error {
	if p, ok := r.(Permitter); ok {
		return p.Permits(ctx, t, u)
	}
	return nil
}

// MaySearch reports whether the caller may search resources of a type at all. Asking for
// them is refused otherwise; what was not asked for by its type is to be left out.
func MaySearch(ctx context.Context, r Repository, t Type) bool {
	return Permits(ctx, r, t, ToSearch) == nil
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
