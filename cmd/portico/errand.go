package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	osuser "os/user"
	"path/filepath"
	"strings"

	"github.com/portico-fhir/portico/cmd/portico/desk"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/sqlite"
)

// errand is what an administrator wants done in a store: what the command line said, in
// a form that can be sent to the process that has the store open.
type errand interface {
	// carryOut does it, and gives what to say about it.
	carryOut(ctx context.Context, o *office) (said string, err error)
	// begins reports whether it can be the first that is done in a store.
	begins() bool
	// lasts reports whether it takes its time: then it is broken off when nobody waits any more,
	// says itself what has become of it, and of each kind there is one at a time.
	lasts() bool
}

// beginning is part of the errands that can be the first.
type beginning struct{}

func (beginning) begins() bool { return true }
func (beginning) lasts() bool  { return false }

// following is part of those that want something to be there.
type following struct{}

func (following) begins() bool { return false }
func (following) lasts() bool  { return false }

// lasting is part of those that want something to be there, and take their time.
type lasting struct{}

func (lasting) begins() bool { return false }
func (lasting) lasts() bool  { return true }

// opener is an errand that opens the store in its own way.
type opener interface {
	open(ctx context.Context, at StoreConfig, opts sqlite.Options) (store.Store, error)
}

// newErrand makes an empty one, by the names of subcommand and deed; nil for another name.
func newErrand(name string) errand {
	switch name {
	case "backup":
		return &backingUp{}
	case "explain":
		return &explaining{}
	case "load":
		return &loading{}
	case "purge":
		return &purging{}
	case "reindex":
		return &reindexing{}
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
	said, err := askServer(ctx, at, name, e, std)
	if errors.Is(err, desk.ErrNobody) {
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

// call asks the server that has an embedded store open for an errand. The error is desk.ErrNobody
// when there is none.
func call(ctx context.Context, at StoreConfig, name string, e errand, std streams) (*desk.Call, error) {
	with, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	by := fmt.Sprintf("%s (process %d)", operator(), os.Getpid())
	return desk.Dial(ctx, at.desk(), desk.Errand{Name: name, By: by, With: with}, func(text string) { fmt.Fprintln(std.err, text) })
}

// askServer has a server carry out an errand.
func askServer(ctx context.Context, at StoreConfig, name string, e errand, std streams) (string, error) {
	c, err := call(ctx, at, name, e, std)
	if err != nil {
		return "", err
	}
	defer c.Close()
	said, err := c.Result(ctx)
	switch {
	case !errors.Is(err, desk.ErrLost):
		return said, asSaid(err)
	case e.lasts():
		return "", fmt.Errorf("%w. What was done until then is done; run it again to go on", err)
	default:
		return "", fmt.Errorf("%w; whether it is done is not known", err)
	}
}

// asSaid is the error of a command whose errand was refused.
func asSaid(err error) error {
	var refused *desk.Refused
	if errors.As(err, &refused) && refused.Usage {
		return usageError{err}
	}
	return err
}

// operator names who is at the command line.
func operator() string {
	u, err := osuser.Current()
	if err != nil {
		return "somebody"
	}
	return u.Username
}

// carryOutHere opens the store for an errand.
func carryOutHere(ctx context.Context, at StoreConfig, e errand, std streams) (said string, err error) {
	log, lines := newLogger(std.err, defaultConfig().Log.Level)
	defer func() { err = errors.Join(err, lines.Close()) }()
	if err := look(at, e.begins(), std); err != nil {
		return "", err
	}
	open := openStoreWith
	if o, ok := e.(opener); ok {
		open = o.open
	}
	st, err := open(ctx, at, sqlite.Options{Log: log})
	if err != nil {
		return "", unattended(at, err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	o := &office{store: st, log: log, config: Config{Store: at}, tell: func(text string) { fmt.Fprintln(std.err, text) }}
	return e.carryOut(ctx, o)
}

// look says when an embedded store is not there yet, which is an error unless something can begin one.
func look(at StoreConfig, begins bool, std streams) error {
	dir, embedded := strings.CutPrefix(string(at.URI), "sqlite:")
	if !embedded {
		return nil
	}
	switch _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); {
	case !errors.Is(err, os.ErrNotExist):
	case !begins:
		return fmt.Errorf("there is no store in %s. Say where it is with --store", absolute(dir))
	default:
		fmt.Fprintf(std.err, "making a new store in %s\n", absolute(dir))
	}
	return nil
}

// unattended adds what to do to the error of a store that another process has open and that has no
// server at its desk.
func unattended(at StoreConfig, err error) error {
	if !errors.Is(err, store.ErrUnavailable) || at.desk() == "" {
		return err
	}
	return fmt.Errorf("%w. If that is portico serve, it would do this itself, but nobody answers at %s (is it an older version, or the path longer than the 100 bytes that a socket may have?); other commands have the store for a while only: then try again", err, at.desk())
}

// absolute gives the path of a directory as it is from everywhere.
func absolute(dir string) string {
	if path, err := filepath.Abs(dir); err == nil {
		return path
	}
	return dir
}
