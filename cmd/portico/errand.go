package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/sqlite"
)

// errand is what an administrator wants done in a store: what the command line said, in
// a form that can be sent to the process that has the store open.
type errand interface {
	// carryOut does it, and gives what to say about it.
	carryOut(ctx context.Context, st store.Store) (said string, err error)
	// begins reports whether it can be the first that is done in a store.
	begins() bool
}

// beginning is part of the errands that can be the first.
type beginning struct{}

func (beginning) begins() bool { return true }

// following is part of those that want something to be there.
type following struct{}

func (following) begins() bool { return false }

// newErrand makes an empty one, by the names of subcommand and deed; nil for another name.
func newErrand(name string) errand {
	switch name {
	case "review list":
		return &listReviews{}
	case "review show":
		return &showReview{}
	case "review accept", "review reject":
		return &decideReview{}
	case "user add":
		return new(addUser)
	case "user list":
		return new(listUsers)
	case "user passwd":
		return new(setPassword)
	case "user disable", "user enable":
		return new(disableUser)
	case "client add":
		return new(addClient)
	case "client list":
		return new(listClients)
	case "client remove":
		return new(removeClient)
	case "keys rotate":
		return new(rotateKeys)
	}
	return nil
}

// place declares the flags that say in which store to do something, and reads all
// flags. The one argument may stand before the flags; wants names it, empty for none.
// done says that only help was asked for.
func place(f *flag.FlagSet, args []string, wants string, env func(string) string, std streams) (at StoreConfig, arg string, done bool, err error) {
	at = defaultConfig().Store
	if uri := env("PORTICO_STORE"); uri != "" {
		at.URI = storeURI(uri)
	}
	f.StringVar((*string)(&at.URI), "store", string(at.URI), "sqlite:`DIR` or mongodb://…")
	f.BoolVar(&at.MongoDev, "mongo-dev", false, "accept a MongoDB without transactions or journal, for trying things out")
	if wants != "" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		arg, args = args[0], args[1:]
	}
	if help, err := parse(f, args, std.out); help || err != nil {
		return at, "", true, err
	}
	rest := f.Args()
	if wants != "" && arg == "" && len(rest) > 0 {
		arg, rest = rest[0], rest[1:]
	}
	switch {
	case len(rest) > 0:
		return at, "", true, usageError{fmt.Errorf("%s: %q is too much", f.Name(), rest[0])}
	case wants != "" && arg == "":
		return at, "", true, usageError{fmt.Errorf("%s: give the %s", f.Name(), wants)}
	case !at.URI.known() || at.URI == "memory:":
		return at, "", true, usageError{fmt.Errorf("%s: --store must be sqlite:DIR or mongodb://HOST/DATABASE", f.Name())}
	}
	return at, arg, false, nil
}

// dispatch has an errand carried out: by the server that has an embedded store open, else
// here.
func dispatch(ctx context.Context, at StoreConfig, name string, e errand, std streams) error {
	said, err := sendTo(ctx, at.desk(), name, e)
	if errors.Is(err, errNobodyThere) {
		said, err = carryOutHere(ctx, at, e, std)
	}
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return usageError{fmt.Errorf("%s: %w", name, oneLine(err))}
	case err != nil:
		return fmt.Errorf("%s: %w", name, oneLine(err))
	}
	_, err = fmt.Fprint(std.out, said)
	return err
}

// carryOutHere opens the store for an errand.
func carryOutHere(ctx context.Context, at StoreConfig, e errand, std streams) (said string, err error) {
	log, lines := newLogger(std.err, defaultConfig().Log.Level)
	defer func() { err = errors.Join(err, lines.Close()) }()
	if dir, embedded := strings.CutPrefix(string(at.URI), "sqlite:"); embedded {
		switch _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); {
		case !errors.Is(err, os.ErrNotExist):
		case !e.begins():
			return "", fmt.Errorf("there is no store in %s. Say where it is with --store", absolute(dir))
		default:
			fmt.Fprintf(std.err, "making a new store in %s\n", absolute(dir))
		}
	}
	st, err := openStore(ctx, at, log)
	if errors.Is(err, store.ErrUnavailable) && at.desk() != "" {
		return "", fmt.Errorf("%w. If that is portico serve, it would do this itself, but nobody answers at %s (is it an older version, or the path longer than the 100 bytes that a socket may have?); other commands have the store for a while only: then try again", err, at.desk())
	}
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return e.carryOut(ctx, st)
}

// absolute gives the path of a directory as it is from everywhere.
func absolute(dir string) string {
	if path, err := filepath.Abs(dir); err == nil {
		return path
	}
	return dir
}

// wanted is what is sent to the desk of a server.
type wanted struct {
	Errand string          `json:"errand"`
	With   json.RawMessage `json:"with"`
}

// reply is what comes back.
type reply struct {
	Said    string `json:"said,omitempty"`
	Refused string `json:"refused,omitempty"`
	Usage   bool   `json:"usage,omitempty"` // the command was used wrongly
}
