package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/portico-fhir/portico/conformance"
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/bundle"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/explain"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/fhir/integrity"
	"github.com/portico-fhir/portico/fhir/invariant"
	"github.com/portico-fhir/portico/fhir/join"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/receipt"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/rest"
	"github.com/portico-fhir/portico/fhir/review"
	"github.com/portico-fhir/portico/fhir/router"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/terminology"
	"github.com/portico-fhir/portico/smart/grant"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// wire puts the server together over an open store. The resources are those that it serves, for
// whoever may do everything with them.
func wire(ctx context.Context, c Config, st store.Store, log *slog.Logger) (*rest.Server, *router.Router, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	base := c.BaseURL + "/fhir"
	if c.Demo {
		c.SMART = c.SMART.demo()
		if err := fillDemo(ctx, st, clinic.Database); err != nil {
			return nil, nil, err
		}
	}
	var metrics *rest.Metrics // nil: nothing is counted
	if c.Metrics.Listen != "" {
		metrics = rest.NewMetrics()
	}
	types, err := repository(c, base, &explain.Store{Store: st}, log, metrics)
	if err != nil {
		return nil, nil, err
	}
	validator := &invariant.Validator{Schema: &schema.Validator{Base: base, MaxBytes: int(c.HTTP.MaxBody)}}
	permitted, who, err := c.permitted(ctx, st, types, validator, log)
	if err != nil {
		return nil, nil, err
	}
	repo := &terminology.Repository{Repository: &join.Repository{Inner: permitted, Base: base, Revision: types.Revision}, Base: base}
	cursors, err := search.LoadCursors(ctx, st, time.Now)
	if err != nil {
		return nil, nil, err
	}
	location, err := c.location()
	if err != nil {
		return nil, nil, err
	}
	parser := &search.Parser{
		Base: base, Describe: repo.Describe, Cursors: cursors,
		DefaultCount: c.Search.DefaultCount, MaxCount: c.Search.MaxCount,
	}
	operations := &operation.Operations{
		Repository: repo, Search: parser, Location: location, Validator: validator, More: append(c.writeOperations(types, who, log), who.definitions()...),
	}
	metadata := describe(c, base, types, log, repo, operations, who.oauth())
	server := &rest.Server{
		Base:         base,
		Repository:   repo,
		Search:       parser,
		Operations:   operations,
		Bundles:      &bundle.Processor{NewID: record.NewID, Indexer: index.Indexer{Base: base, Location: location}},
		Validator:    validator,
		Receipts:     &receipt.Book{Store: st},
		DeleteMany:   c.Write.deleteMany(),
		Jobs:         c.Jobs.queue(st, !c.Store.URI.isMongo(), log),
		Metadata:     metadata.statement,
		Log:          log,
		Limits:       c.limits(),
		Metrics:      metrics,
		Origins:      c.HTTP.Origins,
		Proxies:      c.HTTP.Proxies,
		LoopbackOnly: c.open() || c.Demo,
		Explain:      explainer(&c, types),
	}
	if m, ok := types.Records.(maintainer); ok {
		server.Tasks = append(server.Tasks, func(ctx context.Context) { m.Maintain(ctx, log) })
	}
	if p, ok := st.(store.Pinger); ok {
		server.Ready = p.Ping
	}
	if who != nil {
		who.mount(server)
	}
	if c.Demo && who != nil {
		if err := who.fillDemo(ctx, c); err != nil {
			return nil, nil, err
		}
		mountDemo(server)
	}
	return server, types, nil
}

// permitted gives the resources as far as callers may see and change them, and who says
// that; nobody is asked where that is nil.
func (c *Config) permitted(ctx context.Context, st store.Store, types *router.Router, validator grant.Validator, log *slog.Logger) (fhir.Repository, *authority, error) {
	whole := &integrity.Repository{Repository: types, Store: st, Policy: c.Write.references(), Base: c.BaseURL + "/fhir"}
	var reviewed fhir.Repository = whole
	if types.Mapped != nil {
		reviewed = &review.Repository{Repository: whole}
	}
	if c.open() {
		return reviewed, nil, nil
	}
	who, err := c.authority(ctx, st, reviewed, validator, log)
	if err != nil {
		return nil, nil, err
	}
	whole.Visible = func(ctx context.Context, key fhir.Key) bool {
		_, err := who.guard.Read(ctx, key)
		return err == nil
	}
	return who.guard, who, nil
}

// maintainer is a repository that has something to do beside requests.
type maintainer interface {
	Maintain(context.Context, *slog.Logger)
}

// open reports whether nobody is asked who they are.
func (c *Config) open() bool { return c.Auth == authOff }

// location is where dates without a time zone are.
func (c *Config) location() (*time.Location, error) {
	location, err := time.LoadLocation(c.Search.Timezone)
	if err != nil {
		return nil, fmt.Errorf("search.timezone: %w", err)
	}
	return location, nil
}

// repository is the EHR through the chart map, beside Portico's own records.
func repository(c Config, base string, st store.Store, log *slog.Logger, metrics *rest.Metrics) (*router.Router, error) {
	location, err := c.location()
	if err != nil {
		return nil, err
	}
	records := &record.Repository{Store: st, Base: base, Location: location, Settle: c.Store.settle(), NoText: !c.Search.Text}
	repo := &router.Router{Records: records}
	chart, err := loadChart(c)
	if err != nil || chart == nil {
		return repo, err
	}
	for _, w := range chart.Warnings {
		log.Warn("chart map", "at", w.String())
	}
	repo.Mapped = &chartmap.Repository{Store: st, Map: chart, Base: base, Others: records.Others, Report: func(f chartmap.Fault) {
		metrics.ChartFault(f.Map, f.Path)
		log.Debug("a value of the EHR does not fit its rule", "map", f.Map, "line", f.Line, "element", f.Path, "resource", f.Key.String())
	}}
	return repo, nil
}

// loadChart reads the chart map; nil when there is none.
func loadChart(c Config) (*chartmap.Map, error) {
	name, data, err := c.chartText()
	if data == nil || err != nil {
		return nil, err
	}
	return chartmap.Load(data, name)
}

// chartText is what the chart map says, and a name for it; nil when there is none.
func (c *Config) chartText() (name string, text []byte, err error) {
	switch {
	case c.Chart != "":
		if text, err = os.ReadFile(c.Chart); err != nil {
			return "", nil, fmt.Errorf("chart map: %w", err)
		}
		return c.Chart, text, nil
	case c.Demo:
		return "the demo clinic's chart.yaml", clinic.ChartMap(), nil
	}
	return "", nil, nil
}

// describe tells about the server what /metadata says.
func describe(c Config, base string, types *router.Router, log *slog.Logger, repo fhir.Repository, operations *operation.Operations, oauth *conformance.OAuth) *metadata {
	b := thisBuild()
	about := &conformance.Server{
		Base: base, Version: b.version, Date: b.date, Describe: repo.Describe, Operations: operations, Enforced: c.Write.references().Enforced,
		Bundles: true, DeleteMany: c.Write.deleteMany() > 1, Open: c.open(), OAuth: oauth, CORS: len(c.HTTP.Origins) > 0 || oauth != nil,
	}
	return &metadata{about: about, revision: types.Revision, log: log}
}
