package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/portico-fhir/portico/smart/signing"
)

// keys administers the keys that id tokens are signed with.
func keys(ctx context.Context, args []string, env func(string) string, std streams) error {
	return do(ctx, "keys", []deed{
		{"rotate", "[flags]", keysRotate},
	}, nil, args, env, std)
}

func keysRotate(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	now := f.Bool("now", false, "withdraw the other keys at once, because somebody may have got hold of one; apps that keep the old key set refuse sign-ins until they get the new one")
	st, _, done, err := registry(ctx, f, args, "", env, std)
	if err != nil || done == nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	k := &signing.Keys{Store: st}
	if err := k.Ensure(ctx); err != nil {
		return fmt.Errorf("keys rotate: %w", err)
	}
	say := "a new key is published; it signs from tomorrow on\n"
	if *now {
		say = "a new key signs; all others are withdrawn, on every node within a minute\n"
		err = k.Replace(ctx)
	} else {
		err = k.Rotate(ctx)
	}
	if err != nil {
		return fmt.Errorf("keys rotate: %w", err)
	}
	_, err = fmt.Fprint(std.out, say)
	return err
}
