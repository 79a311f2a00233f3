package main

import (
	"context"
	"flag"

	"github.com/portico-fhir/portico/smart/signing"
)

// keys administers the keys that id tokens are signed with.
func keys(ctx context.Context, args []string, env func(string) string, std streams) error {
	return do(ctx, "keys", []deed{
		{"rotate", "[flags]", keysRotate},
	}, args, env, std)
}

// rotateKeys makes a new key.
type rotateKeys struct {
	beginning

	Now bool // and withdraws the others
}

func keysRotate(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	now := f.Bool("now", false, "withdraw the other keys at once, because somebody may have got hold of one; apps that keep the old key set refuse sign-ins until they get the new one")
	at, _, done, err := place(f, args, "", env, std)
	if err != nil || done {
		return err
	}
	return dispatch(ctx, at, f.Name(), &rotateKeys{Now: *now}, std)
}

func (e *rotateKeys) carryOut(ctx context.Context, o *office) (string, error) {
	k := &signing.Keys{Store: o.store}
	if err := k.Ensure(ctx); err != nil {
		return "", err
	}
	if e.Now {
		return "a new key signs; all others are withdrawn, on every node within a minute\n", k.Replace(ctx)
	}
	return "a new key is published; it signs from tomorrow on\n", k.Rotate(ctx)
}
