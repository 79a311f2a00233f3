package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store/sqlite"
)

// reindexEvery is how often progress is shown.
const reindexEvery = 2 * time.Second

// reindex makes the index entries of records again.
func reindex(ctx context.Context, args []string, env func(string) string, std streams) (err error) {
	c := defaultConfig()
	if uri := env("PORTICO_STORE"); uri != "" {
		c.Store.URI = storeURI(uri)
	}
	var types string
	f := newFlags("reindex")
	f.StringVar(&c.BaseURL, "base-url", "http://localhost:8080", "`URL` under which clients reach the server: references below it are local")
	f.StringVar((*string)(&c.Store.URI), "store", string(c.Store.URI), "sqlite:`DIR` or mongodb://…")
	f.BoolVar(&c.Store.MongoDev, "mongo-dev", false, "accept a MongoDB without transactions or journal, for trying things out")
	f.StringVar(&c.Search.Timezone, "timezone", c.Search.Timezone, "`zone` of dates without one, search.timezone of the server's configuration")
	f.BoolVar(&c.Search.Text, "text", c.Search.Text, "index the words of full text, search.text of the server's configuration")
	f.StringVar(&types, "type", "", "comma-separated resource `types`; all by default")
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	if f.NArg() > 0 {
		return usageError{fmt.Errorf("reindex takes no arguments, but got %q", f.Arg(0))}
	}
	if !c.Store.URI.known() || c.Store.URI == "memory:" {
		return usageError{errors.New("reindex: --store must be sqlite:DIR or mongodb://HOST/DATABASE")}
	}
	names, err := typeList(types)
	if err != nil {
		return err
	}
	location, err := time.LoadLocation(c.Search.Timezone)
	if err != nil {
		return usageError{fmt.Errorf("reindex: %w", err)}
	}
	log, lines := newLogger(std.err, c.Log.Level)
	defer func() { err = errors.Join(err, lines.Close()) }()
	st, err := openBackend(ctx, c.Store, sqlite.Options{Log: log}) // whatever its layout is
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	repo := &record.Repository{Store: st, Base: c.BaseURL + "/fhir", Location: location, NoText: !c.Search.Text}
	done, err := repo.Reindex(ctx, names, reindexProgress(std.err))
	if err != nil {
		return fmt.Errorf("%w. What was reindexed so far is kept; run it again to go on", err)
	}
	_, err = fmt.Fprintf(std.out, "%d records, %d of them with new entries\n", done.Records, done.Changed)
	return err
}

func typeList(s string) ([]fhir.Type, error) {
	if s == "" {
		return nil, nil
	}
	var types []fhir.Type
	for name := range strings.SplitSeq(s, ",") {
		if t := fhir.Type(name); !t.Valid() {
			return nil, usageError{fmt.Errorf("there is no resource type %q", name)}
		}
		types = append(types, fhir.Type(name))
	}
	return types, nil
}

func reindexProgress(w io.Writer) func(record.Reindexed) {
	last := time.Now()
	return func(d record.Reindexed) {
		if time.Since(last) < reindexEvery {
			return
		}
		last = time.Now()
		fmt.Fprintf(w, "%s: %d records so far, %d of them with new entries\n", d.Type, d.Records, d.Changed)
	}
}
