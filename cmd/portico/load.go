package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/portico-fhir/portico/cmd/portico/desk"
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/invariant"
	"github.com/portico-fhir/portico/fhir/load"
	"github.com/portico-fhir/portico/fhir/rest"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store/sqlite"
)

// loadFlags are those that say where to.
func loadFlags(c *Config) *flag.FlagSet {
	f := newFlags("load")
	f.StringVar(&c.BaseURL, "base-url", "http://localhost:8080", "`URL` under which clients will reach the server: references below it become relative")
	f.StringVar((*string)(&c.Store.URI), "store", string(c.Store.URI), "sqlite:`DIR` or mongodb://…")
	f.BoolVar(&c.Store.MongoDev, "mongo-dev", false, "accept a MongoDB without transactions or journal, for trying things out")
	f.StringVar(&c.Chart, "chart", "", "chart map `file`: types that it maps live in the EHR and are not loaded")
	f.BoolVar(&c.Search.Text, "text", c.Search.Text, "index the words of full text, search.text of the server's configuration")
	f.BoolVar(&c.Demo, "demo", false, "load beside the demo clinic: its chart map applies")
	return f
}

// loadRecent is how many bytes of index entries a load keeps in memory: the more, the fewer times
// each stretch of an index is written.
const loadRecent = 192 << 20

// loadFiles brings files of FHIR JSON into the store, by the server that has it open if there is
// one.
func loadFiles(ctx context.Context, args []string, env func(string) string, std streams) error {
	c := defaultConfig()
	if uri := env("PORTICO_STORE"); uri != "" {
		c.Store.URI = storeURI(uri)
	}
	f := loadFlags(&c)
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	switch {
	case f.NArg() == 0:
		return usageError{errors.New("load: name the files or directories to load, or - for what comes in")}
	case !c.Store.URI.known() || c.Store.URI == "memory:":
		return usageError{errors.New("load: --store must be sqlite:DIR or mongodb://HOST/DATABASE")}
	}
	if err := there(f.Args()); err != nil {
		return err
	}
	said, err := whatIsStated(f, &c)
	if err != nil {
		return err
	}
	tuneMemory(env, rest.DefaultMemory)
	server, err := call(ctx, c.Store, f.Name(), &loading{Stated: said}, std)
	switch {
	case errors.Is(err, desk.ErrNobody):
		return loadHere(ctx, c, f.Args(), std)
	case err != nil:
		return fmt.Errorf("load: %w", err)
	}
	defer server.Close()
	return loadThrough(ctx, server, f.Args(), std)
}

// loadHere opens the store and loads.
func loadHere(ctx context.Context, c Config, args []string, std streams) (err error) {
	log, lines := newLogger(std.err, c.Log.Level)
	defer func() { err = errors.Join(err, lines.Close()) }()
	if err := look(c.Store, true, std); err != nil {
		return err
	}
	st, err := openStoreWith(ctx, c.Store, sqlite.Options{Recent: loadRecent, Loading: true, Log: log})
	if err != nil {
		return unattended(c.Store, err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	repo, err := repository(c, c.BaseURL+"/fhir", st, log, nil)
	if err != nil {
		return err
	}
	sum, err := feed(ctx, newLoader(&recordsOnly{repo}, c.BaseURL+"/fhir", std), args, std.in)
	return conclude(sum, err, std)
}

func newLoader(into load.Repository, base string, std streams) *load.Loader {
	return &load.Loader{
		Repository: into,
		Validator:  &invariant.Validator{Schema: &schema.Validator{Base: base}},
		Failed:     func(x load.Failure) { fmt.Fprintln(std.err, x) },
		Progress:   progress(std.err),
		Every:      tellEvery,
	}
}

// conclude says what has become of a load; err is why it ended early.
func conclude(sum load.Summary, err error, std streams) error {
	if err := sum.WriteTable(std.out); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("load: %w. What was loaded so far is kept; load again to go on", err)
	}
	if failed := sum.Total().Failed; failed > 0 {
		return fmt.Errorf("load: %d of %d resources were not loaded; the reasons are above", failed, sum.Resources())
	}
	return nil
}

// there makes sure that what the arguments name is there.
func there(args []string) error {
	if len(args) == 1 && args[0] == "-" {
		return nil
	}
	for _, path := range args {
		if path == "-" {
			return usageError{errors.New("load: - cannot be mixed with files")}
		}
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	return nil
}

// feed loads what the arguments name.
func feed(ctx context.Context, l *load.Loader, args []string, in io.Reader) (load.Summary, error) {
	if args[0] == "-" {
		return l.Reader(ctx, "stdin", until(ctx, in))
	}
	return l.Paths(ctx, args...)
}

// until reads what comes in as long as ctx lasts. It may wait for more for ever: whoever sends does not
// know that nobody reads.
func until(ctx context.Context, in io.Reader) io.Reader {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { _ = w.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.Copy(w, in)
		_ = w.CloseWithError(err)
	}()
	return r
}

func progress(w io.Writer) func(load.Summary) {
	return func(s load.Summary) {
		all := s.Total()
		fmt.Fprintf(w, "%d resources, %d failed, %.0f MB, %.0f/s\n", s.Resources(), all.Failed,
			float64(s.Bytes)/1e6, float64(s.Resources())/max(s.Elapsed.Seconds(), 1e-3))
	}
}

// recordsOnly refuses to load into the EHR: its own software decides what comes
// into it.
type recordsOnly struct{ *router.Router }

// Describe gives nothing for types of the EHR.
func (r *recordsOnly) Describe(t fhir.Type) fhir.Capability {
	if r.IsMapped(t) {
		return fhir.Capability{}
	}
	return r.Router.Describe(t)
}

// Commit refuses types of the EHR.
func (r *recordsOnly) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	for _, c := range changes {
		if r.IsMapped(c.Key.Type) {
			return nil, fhir.Errorf(fhir.CodeNotSupported, "", "%s lives in the EHR, as the chart map says, and is not loaded.", c.Key.Type)
		}
	}
	return r.Router.Commit(ctx, changes)
}
