package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"runtime"
	"strings"

	"github.com/portico-fhir/portico/cmd/portico/desk"
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/explain"
	"github.com/portico-fhir/portico/fhir/join"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/rest"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/terminology"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/scope"
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

// explainCommand runs a search and says how the store found what it found.
func explainCommand(ctx context.Context, args []string, env func(string) string, std streams) (err error) {
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
	said, err := whatIsStated(f, &c)
	if err != nil {
		return err
	}
	text, err := askServer(ctx, c.Store, f.Name(), &explaining{Asked: asked, JSON: asJSON, Stated: said}, std)
	if !errors.Is(err, desk.ErrNobody) {
		_, failed := fmt.Fprint(std.out, text)
		return errors.Join(err, failed)
	}
	st, log, done, err := openAside(ctx, &c, std)
	if err != nil {
		return unattended(c.Store, err)
	}
	defer func() { err = errors.Join(err, done()) }()
	types, err := repository(c, c.BaseURL+"/fhir", &explain.Store{Store: st}, log, nil)
	if err != nil {
		return err
	}
	e := &explaining{Asked: asked, JSON: asJSON, alone: true}
	return e.explain(ctx, c, types, std.out)
}

// explaining answers a search, for a command or a server.
type explaining struct {
	lasting // some searches do, and nobody else is to wait for them

	Asked  string
	JSON   bool
	Stated stated
	alone  bool // nobody else makes garbage meanwhile
}

func (e *explaining) carryOut(ctx context.Context, o *office) (string, error) {
	types, c, err := o.resources(defaultConfig(), e.Stated)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = e.explain(ctx, c, types, &out)
	return out.String(), err
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

// explain answers one search and prints what that took.
func (e *explaining) explain(ctx context.Context, c Config, types *router.Router, out io.Writer) error {
	base := c.BaseURL + "/fhir"
	repo := &terminology.Repository{Repository: &join.Repository{Inner: types, Base: base}, Base: base}
	cursors, err := search.NewCursors(make([]byte, 32), nil) // for none that leaves this process
	if err != nil {
		return err
	}
	parser := search.Parser{Base: base, Describe: repo.Describe, Cursors: cursors, DefaultCount: c.Search.DefaultCount, MaxCount: c.Search.MaxCount}
	name, query, _ := strings.Cut(e.Asked, "?")
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
	var trace explain.Trace
	page, err := repo.Search(explain.With(ctx, &trace), req.Query)
	if err != nil {
		return err
	}
	if e.JSON {
		var allocations float64
		if e.alone {
			if allocations, err = allocated(ctx, repo, req.Query); err != nil {
				return err
			}
		}
		return writeJSON(out, &trace, len(page.Resources), allocations)
	}
	return describePlan(out, types, &trace, req.Query, page)
}

// describePlan writes how a search was answered; q is nil when it was on several types.
func describePlan(out io.Writer, types *router.Router, t *explain.Trace, q *fhir.Query, page fhir.Page) error {
	if err := t.Write(out); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, verdict(types, t, q, page)); err != nil {
		return err
	}
	advise(out, t)
	return nil
}

// explainer answers the header X-Portico-Explain. Where somebody is asked who they are, it
// is for backend services that may search everything: what is examined for an answer is
// more than those who may see less are to know.
func explainer(c *Config, types *router.Router) rest.Explainer {
	return func(ctx context.Context) (context.Context, func(*search.Request, fhir.Page) string, error) {
		if !c.open() {
			a := access.From(ctx)
			if a == nil || a.Kind != access.System {
				return ctx, nil, notExplained()
			}
			if all, filters := a.Scopes.Allows(scope.System, "", scope.Read|scope.Search); !all || filters != nil {
				return ctx, nil, notExplained()
			}
		}
		var trace explain.Trace
		return explain.With(ctx, &trace), func(req *search.Request, page fhir.Page) string {
			var text strings.Builder
			_ = describePlan(&text, types, &trace, req.Query, page) // a Builder takes everything
			return text.String()
		}, nil
	}
}

func notExplained() error {
	return fhir.Errorf(fhir.CodeForbidden, "http.X-Portico-Explain", "How searches are answered is told to backend services that may read and search everything (system/*.rs).")
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
func verdict(types *router.Router, t *explain.Trace, q *fhir.Query, page fhir.Page) string {
	found := fmt.Sprintf("%d on the first page", len(page.Resources))
	if page.Total != nil {
		found += fmt.Sprintf(", %d in total", *page.Total)
	}
	if len(page.Included) > 0 {
		found += fmt.Sprintf(", %d included", len(page.Included))
	}
	records, ok := types.Records.(*record.Repository)
	if q == nil {
		return found + "."
	}
	mapped := types.Mapped != nil && !types.Mapped.Describe(q.Type).None()
	switch {
	case mapped:
		return found + ". The type is mapped: each line is a rule of the chart map, asked in the EHR's own collections and by its own indexes."
	case t.Finds() > 1 || !ok:
		return found + "."
	}
	if names, err := records.Undecided(q); err != nil || len(names) > 0 {
		return fmt.Sprintf("%s. The index narrows down; each document that was read was looked at, for %s.", found, strings.Join(names, ", "))
	}
	return found + ". The index decides what matches."
}

// explained is what explain --json writes.
type explained struct {
	Steps       []explainedStep `json:"steps"`
	Returned    int             `json:"returned"`              // on the first page
	Allocations float64         `json:"allocations,omitempty"` // of one search, below HTTP; a server that does other things cannot tell
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

func writeJSON(out io.Writer, t *explain.Trace, returned int, allocations float64) error {
	e := explained{Returned: returned, Allocations: allocations}
	for _, st := range t.Steps() {
		one := explainedStep{Step: st.What, Collection: st.Collection, Returned: st.Read}
		if p := st.Plan; p != nil {
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
