package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/checkup"
	"github.com/portico-fhir/portico/store"
)

// chartFlags are those of the tools that look at an EHR through its chart map.
type chartFlags struct {
	c    Config
	json bool
}

func (t *chartFlags) declare(f *flag.FlagSet, env func(string) string, asJSON string) {
	t.c = defaultConfig()
	if uri := env("PORTICO_STORE"); uri != "" {
		t.c.Store.URI = storeURI(uri)
	}
	f.StringVar((*string)(&t.c.Store.URI), "store", string(t.c.Store.URI), "mongodb://…, sqlite:`DIR` or, with --demo, memory:")
	f.BoolVar(&t.c.Store.MongoDev, "mongo-dev", false, "accept a MongoDB without transactions or journal: nothing is written")
	f.StringVar(&t.c.Chart, "chart", "", "chart map `file`")
	f.BoolVar(&t.c.Demo, "demo", false, "look at the demo clinic")
	f.StringVar(&t.c.BaseURL, "base-url", "http://localhost:8080", "`URL` under which clients reach the server")
	if asJSON != "" {
		f.BoolVar(&t.json, "json", false, asJSON)
	}
}

// load reads the chart map; there must be one.
func (t *chartFlags) load(name string) (*chartmap.Map, error) {
	m, err := loadChart(t.c)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, usageError{fmt.Errorf("chart %s: give the chart map with --chart, or --demo", name)}
	}
	return m, nil
}

// open opens the store behind the chart map.
func (t *chartFlags) open(ctx context.Context, name string, std streams) (*chartmap.Repository, func() error, error) {
	m, err := t.load(name)
	if err != nil {
		return nil, nil, err
	}
	if !t.c.Store.URI.known() {
		return nil, nil, usageError{fmt.Errorf("chart %s: --store must be mongodb://HOST/DATABASE or sqlite:DIR", name)}
	}
	st, _, done, err := openAside(ctx, &t.c, std)
	if err != nil {
		return nil, nil, alone(t.c.Store, err)
	}
	return &chartmap.Repository{Store: st, Map: m, Base: t.c.BaseURL + "/fhir"}, done, nil
}

// alone adds what to do to the error of an embedded store that another process has open.
func alone(at StoreConfig, err error) error {
	if !errors.Is(err, store.ErrUnavailable) || at.desk() == "" {
		return err
	}
	return fmt.Errorf("%w. The chart map's tools read an embedded store alone: stop the server meanwhile", err)
}

// print writes a finding: as JSON, or as people read it.
func (t *chartFlags) print(std streams, finding any, people func(io.Writer)) error {
	if t.json {
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		return e.Encode(finding)
	}
	people(std.out)
	return nil
}

// testChart holds the laws of a chart map on the clinic's own documents, and carries out
// cases. It fails when one is broken.
func testChart(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	var t chartFlags
	t.declare(f, env, "print the findings as JSON")
	sample := f.Int("sample", 200, "how many `resources` of each type to look at")
	cases := f.String("cases", "", "YAML `file` with documents, the resources they are, and what requests change in them")
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	if f.NArg() > 0 || *sample < 1 {
		return usageError{errors.New("chart test takes no arguments, and a sample of 1 or more")}
	}
	repo, done, err := t.open(ctx, "test", std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	failed := false
	if *cases != "" {
		if failed, err = t.cases(ctx, repo.Map, *cases, std); err != nil {
			return err
		}
	}
	v, err := checkup.Laws(ctx, repo, *sample)
	if err != nil {
		return err
	}
	err = t.print(std, v, func(w io.Writer) {
		tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		fmt.Fprintln(tab, "TYPE\tRESOURCES\tWRITTEN BACK\tSEARCHES\tBROKEN")
		for _, tv := range v.Types {
			fmt.Fprintf(tab, "%s\t%d\t%d\t%d\t%d\n", tv.Type, tv.Resources, tv.Written, tv.Searches, len(tv.Breaches))
		}
		_ = tab.Flush() // to the same place as everything else
		for _, tv := range v.Types {
			for _, b := range tv.Breaches {
				fmt.Fprintf(w, "%s: %s: %s: %s\n", tv.Type, b.Law, b.Where, b.Detail)
			}
		}
	})
	if err == nil && (failed || v.Broken()) {
		return errReported
	}
	return err
}

func (t *chartFlags) cases(ctx context.Context, m *chartmap.Map, file string, std streams) (failed bool, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return false, fmt.Errorf("cases: %w", err)
	}
	all, err := checkup.ReadCases(text)
	if err != nil {
		return false, fmt.Errorf("%s: %w", file, err)
	}
	for i := range all {
		diffs, err := all[i].Run(ctx, m, t.c.BaseURL+"/fhir")
		if err != nil {
			return false, fmt.Errorf("%s: %w", file, err)
		}
		verdict := "ok  "
		if len(diffs) > 0 {
			failed, verdict = true, "FAIL"
		}
		fmt.Fprintf(std.err, "%s %s\n", verdict, all[i].Name)
		for _, d := range diffs {
			fmt.Fprintf(std.err, "     %s\n", d)
		}
	}
	return failed, nil
}

// examineChart reports what is wrong with the clinic's documents.
func examineChart(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	var t chartFlags
	t.declare(f, env, "print the findings as JSON")
	limit := f.Int("limit", 0, "how many `resources` of each type to look at; 0 for all")
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	if f.NArg() > 0 || *limit < 0 {
		return usageError{errors.New("chart doctor takes no arguments, and a limit of 0 or more")}
	}
	repo, done, err := t.open(ctx, "doctor", std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	h, err := checkup.Examine(ctx, repo, *limit)
	if err != nil {
		return err
	}
	return t.print(std, h, func(w io.Writer) { printHealth(w, repo.Map.Name, h) })
}

func printHealth(w io.Writer, name string, h *checkup.Health) {
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tab, "TYPE\tMAPS\tDOCUMENTS\tRESOURCES\tWITHHELD")
	for _, t := range h.Types {
		withheld := fmt.Sprint(t.Withheld)
		if t.Withheld < 0 {
			withheld = "-"
		}
		fmt.Fprintf(tab, "%s\t%s\t%d\t%d\t%s\n", t.Type, strings.Join(t.Maps, ","), t.Documents, t.Resources, withheld)
	}
	_ = tab.Flush()
	fmt.Fprintf(w, "\nValues that a rule cannot read are left out:\n")
	for _, f := range h.Faults {
		fmt.Fprintf(w, "  %s:%d: %s: %d, such as %s\n", name, f.Line, f.Element, f.Count, strings.Join(f.Examples, " "))
	}
	for _, r := range h.Records {
		if r.NoVersion > 0 {
			fmt.Fprintf(w, "%s: %d documents have no number in %s: their version is a hash of what is mapped\n", r.Map, r.NoVersion, r.Version)
		}
		if r.NoUpdated > 0 {
			fmt.Fprintf(w, "%s: %d documents have no date in %s: their resources have no lastUpdated\n", r.Map, r.NoUpdated, r.Updated)
		}
		if r.NoPatient > 0 {
			fmt.Fprintf(w, "%s: %d documents have no %s: patients, and those who act for them, do not see them\n", r.Map, r.NoPatient, r.Patient)
		}
		if r.NoArray > 0 {
			fmt.Fprintf(w, "%s: %d documents have something else than a list in %s: nothing is made of them\n", r.Map, r.NoArray, r.Array)
		}
	}
	for _, s := range h.Indexes {
		fmt.Fprintf(w, "%s: one %s's documents: %d looked at for %d. An index helps:\n  %s\n", s.Map, s.For, s.Examined, s.Returned, s.CreateIndex())
	}
}

// coverChart compares the chart map with profiles.
func coverChart(_ context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error {
	var t chartFlags
	t.declare(f, env, "print the findings as JSON")
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	if f.NArg() == 0 {
		return usageError{errors.New("chart coverage: name the profiles, files with a StructureDefinition in JSON")}
	}
	m, err := t.load("coverage")
	if err != nil {
		return err
	}
	var all []*checkup.Coverage
	for _, file := range f.Args() {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("chart coverage: %w", err)
		}
		c, err := checkup.Cover(m, text)
		if err != nil {
			return fmt.Errorf("chart coverage: %s: %w", file, err)
		}
		all = append(all, c)
	}
	return t.print(std, all, func(w io.Writer) {
		tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		for _, c := range all {
			fmt.Fprintf(tab, "%s, for %s\n", c.Profile, c.Type)
			for _, e := range c.Elements {
				fmt.Fprintf(tab, "  %s\t%s\t%s\n", e.State, e.Path, strings.Join(e.Maps, ", "))
			}
		}
		_ = tab.Flush()
	})
}

// explainChart says how a search is answered, or what a write would change. A write is
// planned, never carried out.
func explainChart(ctx context.Context, _ *flag.FlagSet, args []string, env func(string) string, std streams) (err error) {
	method := map[string]fhir.Method{"put": fhir.Put, "create": fhir.Create, "delete": fhir.Delete}
	if len(args) == 0 || method[args[0]] == 0 {
		return explainCommand(ctx, args, env, std)
	}
	var t chartFlags
	f := newFlags("chart explain " + args[0])
	t.declare(f, env, "print the effects as JSON")
	var words []string
	rest := args[1:]
	for len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		words, rest = append(words, rest[0]), rest[1:]
	}
	if help, err := parse(f, rest, std.out); help || err != nil {
		return err
	}
	words = append(words, f.Args()...)
	if len(words) == 0 || len(words) > 2 || (args[0] == "delete") != (len(words) == 1) {
		return usageError{errors.New("chart explain: say put Patient/1 body.json, create Patient body.json, or delete Patient/1")}
	}
	typ, id, _ := strings.Cut(words[0], "/")
	change := fhir.Change{Method: method[args[0]], Key: fhir.Key{Type: fhir.Type(typ), ID: id}}
	if len(words) == 2 {
		if change.Body, err = os.ReadFile(words[1]); err != nil {
			return fmt.Errorf("chart explain: %w", err)
		}
	}
	repo, done, err := t.open(ctx, "explain", std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if repo.Describe(change.Key.Type).None() {
		return fmt.Errorf("chart explain: no map makes %s; it is kept as a record, as it is", change.Key.Type)
	}
	effects, _, err := checkup.Explain(ctx, repo, []fhir.Change{change})
	if err != nil {
		return err
	}
	return t.print(std, effects, func(w io.Writer) { printEffects(w, effects) })
}

func printEffects(w io.Writer, effects []checkup.Effect) {
	if len(effects) == 0 {
		fmt.Fprintln(w, "nothing changes")
	}
	for _, e := range effects {
		condition := ""
		if e.Guarded {
			condition = ", if nobody changes it meanwhile"
		}
		fmt.Fprintf(w, "%s %s %s%s\n", e.Do, e.Collection, e.ID, condition)
		for _, s := range e.Set {
			fmt.Fprintf(w, "  set   %s\n", s)
		}
		for _, u := range e.Unset {
			fmt.Fprintf(w, "  unset %s\n", u)
		}
		if e.Document != "" {
			fmt.Fprintf(w, "  %s\n", e.Document)
		}
	}
}
