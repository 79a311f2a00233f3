package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/store"
)

// deed is one of the things that a subcommand with an administrator's registry does.
type deed struct {
	name, synopsis string
	run            func(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error
}

// do runs the deed that args begin with.
func do(ctx context.Context, command string, deeds []deed, later, args []string, env func(string) string, std streams) error {
	var names []string
	for _, d := range deeds {
		names = append(names, d.name)
	}
	if len(args) == 0 {
		return usageError{fmt.Errorf("%s: say what to do: %s", command, strings.Join(names, ", "))}
	}
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		for _, d := range deeds {
			fmt.Fprintf(std.out, "portico %s %s %s\n", command, d.name, d.synopsis)
		}
		fmt.Fprintf(std.out, "\nEach explains its flags with -h.\n")
		return nil
	}
	for _, d := range deeds {
		if d.name == args[0] {
			return d.run(ctx, newFlags(command+" "+d.name), args[1:], env, std)
		}
	}
	if slices.Contains(later, args[0]) {
		return usageError{fmt.Errorf("%s %s is not available in this version", command, args[0])}
	}
	return usageError{fmt.Errorf("%s: there is no %q. There are: %s", command, args[0], strings.Join(names, ", "))}
}

// registry declares the flags that say in which store accounts and clients are, reads
// all flags, and opens it. The one argument may stand before the flags. Done is nil
// when only help was asked for.
func registry(ctx context.Context, f *flag.FlagSet, args []string, wants string, env func(string) string, std streams) (st store.Store, arg string, done func() error, err error) {
	c := defaultConfig()
	if uri := env("PORTICO_STORE"); uri != "" {
		c.Store.URI = storeURI(uri)
	}
	f.StringVar((*string)(&c.Store.URI), "store", string(c.Store.URI), "sqlite:`DIR` or mongodb://…")
	f.BoolVar(&c.Store.MongoDev, "mongo-dev", false, "accept a MongoDB without transactions or journal, for trying things out")
	if wants != "" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		arg, args = args[0], args[1:]
	}
	if help, err := parse(f, args, std.out); help || err != nil {
		return nil, "", nil, err
	}
	rest := f.Args()
	if wants != "" && arg == "" && len(rest) > 0 {
		arg, rest = rest[0], rest[1:]
	}
	switch {
	case len(rest) > 0:
		return nil, "", nil, usageError{fmt.Errorf("%s: %q is too much", f.Name(), rest[0])}
	case wants != "" && arg == "":
		return nil, "", nil, usageError{fmt.Errorf("%s: give the %s", f.Name(), wants)}
	case !c.Store.URI.known() || c.Store.URI == "memory:":
		return nil, "", nil, usageError{fmt.Errorf("%s: --store must be sqlite:DIR or mongodb://HOST/DATABASE", f.Name())}
	}
	log, lines := newLogger(std.err, c.Log.Level)
	if st, err = openStore(ctx, c.Store, log); err != nil {
		return nil, "", nil, errors.Join(err, lines.Close())
	}
	return st, arg, func() error { return errors.Join(st.Close(), lines.Close()) }, nil
}

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string { return strings.Join(*t, " ") }

// Set implements flag.Value.
func (t *texts) Set(s string) error { *t = append(*t, s); return nil }

// firstLine reads a secret that comes in.
func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 2*account.MaxPassword)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

// oneLine puts errors that were joined into one line.
func oneLine(err error) error {
	return fmt.Errorf("%w", errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")))
}
