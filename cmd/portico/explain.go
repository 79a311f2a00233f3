package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/url"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/join"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/terminology"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// explainFlags are those that say what server would answer.
func explainFlags(c *Config) *flag.FlagSet {
	f := newFlags("explain")
	f.StringVar(&c.BaseURL, "base-url", "http://localhost:8080", "`URL` under which clients reach the server")
	f.StringVar((*string)(&c.Store.URI), "store", string(c.Store.URI), "sqlite:`DIR`, mongodb://… or, with --demo, memory:")
	f.BoolVar(&c.Store.MongoDev, "mongo-dev", false, "accept a MongoDB without transactions or journal, for trying things out")
	f.StringVar(&c.Search.Timezone, "timezone", c.Search.Timezone, "`zone` of dates without one, search.timezone of the server's configuration")
	f.StringVar(&c.Chart, "chart", "", "chart map `file`")
	f.BoolVar(&c.Demo, "demo", false, "ask the demo clinic")
	return f
}

// explain runs a search and says how the store found what it found.
func explain(ctx context.Context, args []string, env func(string) string, std streams) (err error) {
	c := defaultConfig()
	if uri := env("PORTICO_STORE"); uri != "" {
		c.Store.URI = storeURI(uri)
	}
	// The search may stand before the flags: it is what the eye looks for.
	var asked string
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		asked, args = args[0], args[1:]
	}
	f := explainFlags(&c)
	var asJSON bool
	f.BoolVar(&asJSON, "json", false, "write JSON, with the allocations of one search")
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	if asked == "" && f.NArg() == 1 {
		asked = f.Arg(0)
	} else if f.NArg() > 0 {
		asked = ""
	}
	switch {
	case asked == "":
		return usageError{errors.New("explain: give one search, such as 'Observation?patient=1&_count=10'")}
	case !c.Store.URI.known():
		return usageError{errors.New("explain: --store must be sqlite:DIR or mongodb://HOST/DATABASE")}
	}
	st, log, done, err := openAside(ctx, &c, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	watched := &watchedStore{Store: st}
	types, err := repository(c, c.BaseURL+"/fhir", watched, log, nil)
	if err != nil {
		return err
	}
	types.Describe("Patient") // reads the search parameters, as a server has long since done
	watched.steps = nil
	return explainSearch(ctx, c, types, watched, asked, asJSON, std.out)
}

// openAside opens the store of a tool that looks at what a server has, filled with
// the demo clinic when that is what it is to look at. Done closes it.
func openAside(ctx context.Context, c *Config, std streams) (st store.Store, log *slog.Logger, done func() error, err error) {
	log, lines := newLogger(std.err, slog.LevelError) // what a chart map warns of is lint's
	c.Store.AllowDDL = c.Store.AllowDDL || c.Demo
	if st, err = openStore(ctx, c.Store, log); err != nil {
		return nil, nil, nil, errors.Join(err, lines.Close())
	}
	done = func() error { return errors.Join(st.Close(), lines.Close()) }
	if c.Demo {
		if err := fillDemo(ctx, st, clinic.Database); err != nil {
			return nil, nil, nil, errors.Join(err, done())
		}
	}
	return st, log, done, nil
}

// explainSearch answers one search and prints what that took.
func explainSearch(ctx context.Context, c Config, types *router.Router, st *watchedStore, asked string, asJSON bool, out io.Writer) error {
	base := c.BaseURL + "/fhir"
	repo := &terminology.Repository{Repository: &join.Repository{Inner: types, Base: base}, Base: base}
	cursors, err := search.NewCursors(make([]byte, 32), nil) // for none that leaves this process
	if err != nil {
		return err
	}
	parser := search.Parser{Base: base, Describe: repo.Describe, Cursors: cursors, DefaultCount: c.Search.DefaultCount, MaxCount: c.Search.MaxCount}
	name, query, _ := strings.Cut(asked, "?")
	if !fhir.Type(name).Valid() {
		return usageError{fmt.Errorf("explain: %q is no resource type", name)}
	}
	params, err := queryPairs(query)
	if err != nil {
		return usageError{fmt.Errorf("explain: %w", err)}
	}
	req, err := parser.Parse(fhir.Type(name), params, false, "")
	if err != nil {
		return err
	}
	page, err := repo.Search(ctx, req.Query)
	if err != nil {
		return err
	}
	if asJSON {
		st.quiet = true
		allocations, err := allocated(ctx, repo, req.Query)
		if err != nil {
			return err
		}
		return st.writeJSON(out, len(page.Resources), allocations)
	}
	if err := st.print(out); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, verdict(types, st, req.Query, page)); err != nil {
		return err
	}
	st.advise(out)
	return nil
}

// queryPairs decodes a query as a shell passes it: with or without
// percent-encoding.
func queryPairs(query string) ([]search.Pair, error) {
	var pairs []search.Pair
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, err
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, err
		}
		pairs = append(pairs, search.Pair{Name: name, Value: value})
	}
	return pairs, nil
}

// verdict says in a sentence who decided what matches.
func verdict(types *router.Router, st *watchedStore, q *fhir.Query, page fhir.Page) string {
	found := fmt.Sprintf("%d on the first page", len(page.Resources))
	if page.Total != nil {
		found += fmt.Sprintf(", %d in total", *page.Total)
	}
	if len(page.Included) > 0 {
		found += fmt.Sprintf(", %d included", len(page.Included))
	}
	records, ok := types.Records.(*record.Repository)
	mapped := types.Mapped != nil && !types.Mapped.Describe(q.Type).None()
	switch {
	case mapped:
		return found + ". The type is mapped: each line is a rule of the chart map, asked in the EHR's own collections and by its own indexes."
	case st.finds() > 1 || !ok:
		return found + "."
	}
	if names, err := records.Undecided(q); err != nil || len(names) > 0 {
		return fmt.Sprintf("%s. The index narrows down; each document that was read was looked at, for %s.", found, strings.Join(names, ", "))
	}
	return found + ". The index decides what matches."
}

// watchedStore notes how each search was answered. It is for one search at a
// time; what it notes costs as much again.
type watchedStore struct {
	store.Store
	steps []step
	quiet bool // and notes nothing
}

type step struct {
	what, collection string
	where            store.Filter
	order            []store.Key
	read             int64 // documents that the caller took
	plan             *store.Plan
}

// Find implements [store.Store].
func (s *watchedStore) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		if s.quiet {
			s.Store.Find(ctx, q)(yield)
			return
		}
		n, whole := 0, true
		for doc, err := range s.Store.Find(ctx, q) {
			if err == nil {
				n++
			}
			if whole = yield(doc, err); !whole {
				break
			}
		}
		if !whole {
			q.Limit = n // the caller wanted no more
		}
		s.note(ctx, "find", q, int64(n))
	}
}

// SortsWithin implements [store.PartialSorter].
func (s *watchedStore) SortsWithin() bool { return store.SortsWithin(s.Store) }

// Count implements [store.Store].
func (s *watchedStore) Count(ctx context.Context, q store.Query) (int64, error) {
	n, err := s.Store.Count(ctx, q)
	if err == nil && !s.quiet {
		s.steps = append(s.steps, step{what: "count", collection: q.Collection, read: n})
	}
	return n, err
}

func (s *watchedStore) note(ctx context.Context, what string, q store.Query, n int64) {
	st := step{what: what, collection: q.Collection, where: q.Where, order: q.Order, read: n}
	if e, ok := s.Store.(store.Explainer); ok {
		if plan, err := e.Explain(ctx, q); err == nil {
			st.plan = &plan
		}
	}
	s.steps = append(s.steps, st)
}

// finds counts the searches.
func (s *watchedStore) finds() (n int) {
	for _, st := range s.steps {
		if st.what == "find" {
			n++
		}
	}
	return n
}

func (s *watchedStore) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STEP\tCOLLECTION\tINDEX\tKEYS\tDOCUMENTS\tRESULT\tORDER")
	for _, st := range s.steps {
		index, keys, docs, order := "-", "-", "-", "-"
		if p := st.plan; p != nil {
			index, keys, docs, order = p.Index, fmt.Sprint(p.Keys), fmt.Sprint(p.Docs), "index"
			if p.Sorted {
				order = "sorted"
			}
			if index == "" {
				index = "none: a scan"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", st.what, st.collection, index, keys, docs, st.read, order)
	}
	return w.Flush()
}

// explained is what explain --json writes.
type explained struct {
	Steps       []explainedStep `json:"steps"`
	Returned    int             `json:"returned"`    // on the first page
	Allocations float64         `json:"allocations"` // of one search, below HTTP
}

type explainedStep struct {
	Step       string `json:"step"`
	Collection string `json:"collection"`
	Index      string `json:"index,omitempty"`
	Keys       int64  `json:"keys"`
	Documents  int64  `json:"documents"`
	Returned   int64  `json:"returned"`
	Sorted     bool   `json:"sorted,omitempty"`
}

func (s *watchedStore) writeJSON(out io.Writer, returned int, allocations float64) error {
	e := explained{Returned: returned, Allocations: allocations}
	for _, st := range s.steps {
		one := explainedStep{Step: st.what, Collection: st.collection, Returned: st.read}
		if p := st.plan; p != nil {
			one.Index, one.Keys, one.Documents, one.Sorted = p.Index, p.Keys, p.Docs, p.Sorted
		}
		e.Steps = append(e.Steps, one)
	}
	return json.NewEncoder(out).Encode(e)
}

// allocated gives how many allocations a search takes, on average of some.
func allocated(ctx context.Context, repo fhir.Repository, q *fhir.Query) (float64, error) {
	const times = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		if _, err := repo.Search(ctx, q); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / times, nil
}
