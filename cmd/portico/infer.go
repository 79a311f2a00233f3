package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/portico-fhir/portico/fhir/infer"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// inferChart drafts a chart map from documents of the collections that are named. It
// only reads.
func inferChart(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	c := defaultConfig()
	if uri := env("PORTICO_STORE"); uri != "" {
		c.Store.URI = storeURI(uri)
	}
	f.StringVar((*string)(&c.Store.URI), "store", string(c.Store.URI), "mongodb://…, sqlite:`DIR` or, with --demo, memory:")
	f.BoolVar(&c.Store.MongoDev, "mongo-dev", false, "accept a MongoDB without transactions or journal: nothing is written")
	f.BoolVar(&c.Demo, "demo", false, "look at the demo clinic")
	sample := f.Int("sample", 1000, "how many `documents` of each collection to look at")
	asJSON := f.Bool("json", false, "print what was seen of each field as JSON, not a chart map")
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	collections := f.Args()
	if c.Demo && len(collections) == 0 {
		for _, name := range clinic.Collections() {
			collections = append(collections, clinic.Database+"."+name)
		}
	}
	database, err := oneDatabase(collections)
	switch {
	case err != nil:
		return usageError{err}
	case *sample < 1:
		return usageError{errors.New("chart infer: --sample must be 1 or more")}
	case !c.Store.URI.known():
		return usageError{errors.New("chart infer: --store must be mongodb://HOST/DATABASE or sqlite:DIR")}
	}
	st, _, done, err := openAside(ctx, &c, std)
	if err != nil {
		return alone(c.Store, err)
	}
	defer func() { err = errors.Join(err, done()) }()
	samples, err := infer.Look(ctx, st, collections, *sample)
	if err != nil {
		return err
	}
	if *asJSON {
		return printSamples(std.out, samples)
	}
	return infer.Draft(std.out, database, samples)
}

// oneDatabase gives the database that all collections are in.
func oneDatabase(collections []string) (string, error) {
	if len(collections) == 0 {
		return "", errors.New("chart infer: name the collections to look at, as in: portico chart infer --store mongodb://… clinic.patients clinic.visits")
	}
	var database string
	for _, name := range collections {
		db, rest, ok := strings.Cut(name, ".")
		if !ok || db == "" || rest == "" {
			return "", fmt.Errorf("chart infer: a collection is DATABASE.COLLECTION, not %q", name)
		}
		if database != "" && database != db {
			return "", fmt.Errorf("chart infer: one chart map is of one database, not of %s and %s", database, db)
		}
		database = db
	}
	return database, nil
}

// printSamples writes what was seen, without any value.
func printSamples(w io.Writer, samples []*infer.Sample) error {
	type field struct {
		Path   string         `json:"path"`
		Share  float64        `json:"share"`
		Shapes map[string]int `json:"shapes"`
		Codes  []string       `json:"codes,omitempty"`
		To     string         `json:"refersTo,omitempty"`
	}
	type sample struct {
		Collection string  `json:"collection"`
		Documents  int     `json:"documents"`
		Fields     []field `json:"fields"`
	}
	all := make([]sample, len(samples))
	for i, s := range samples {
		all[i] = sample{Collection: s.Collection, Documents: s.Documents, Fields: make([]field, len(s.Fields))}
		for j, f := range s.Fields {
			shapes := make(map[string]int, len(f.Shapes))
			for shape, n := range f.Shapes {
				shapes[shape.String()] = n
			}
			all[i].Fields[j] = field{f.Path, f.Share(), shapes, f.Codes(), f.To}
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(all)
}
