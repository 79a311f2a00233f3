package commit

import "context"

type rehearsalKey struct{}

// Rehearse returns a context under which a commit plans and checks everything, what is put beside it
// included, and applies nothing: its results are what would become of the changes now.
func Rehearse(ctx context.Context) context.Context {
	return context.WithValue(ctx, rehearsalKey{}, true)
}

func rehearsed(ctx context.Context) bool { return ctx.Value(rehearsalKey{}) != nil }
