package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"runtime/debug"
	"time"

	"github.com/portico-fhir/portico/fhir/rest"
	"github.com/portico-fhir/portico/store"
)

// serveFlags declares the flags of serve over a configuration, whose values are
// the defaults.
func serveFlags(c *Config) (f *flag.FlagSet, file *string, check *bool) {
	f = newFlags("serve")
	file = f.String("config", "", "read the configuration from this YAML `file`")
	check = f.Bool("check-config", false, "print the configuration in effect, without secrets, and stop")
	f.StringVar(&c.Listen, "listen", c.Listen, "`address` to listen on")
	f.StringVar(&c.BaseURL, "base-url", c.BaseURL, "`URL` under which clients reach this server; FHIR is below it at /fhir (default http://localhost and the port)")
	f.StringVar((*string)(&c.Store.URI), "store", string(c.Store.URI), "sqlite:`DIR`, mongodb://… or memory:")
	f.BoolVar(&c.Store.MongoDev, "mongo-dev", c.Store.MongoDev, "accept a MongoDB without transactions or journal, for trying things out")
	f.BoolVar(&c.Store.AllowDDL, "allow-ddl", c.Store.AllowDDL, "allow indexes to be made in the EHR's own database")
	f.StringVar(&c.Chart, "chart", c.Chart, "chart map `file` that says how the EHR's collections are FHIR resources")
	f.StringVar(&c.Auth, "auth", c.Auth, "smart, or `off` to let everybody do everything (loopback only)")
	f.BoolVar(&c.Demo, "demo", c.Demo, "serve a demo clinic, with accounts and apps whose passwords everybody knows, on loopback only")
	f.StringVar(&c.Metrics.Listen, "metrics-listen", c.Metrics.Listen, "`address` for Prometheus to get /metrics from; none by default")
	f.TextVar(&c.Log.Level, "log-level", c.Log.Level, "debug, info, warn or error")
	return f, file, check
}

// configure puts together defaults, file, environment and flags. Done is true
// when there is nothing more to do.
func configure(args []string, env func(string) string, std streams) (c Config, done bool, err error) {
	scratch := defaultConfig()
	f, file, _ := serveFlags(&scratch) // only to find the file
	if help, err := parse(f, args, std.out); help || err != nil {
		return c, true, err
	}
	if f.NArg() > 0 {
		return c, true, usageError{fmt.Errorf("serve takes no arguments, but got %q", f.Arg(0))}
	}
	c = defaultConfig()
	if *file != "" {
		if err := c.read(*file); err != nil {
			return c, true, usageError{err}
		}
	}
	if uri := env("PORTICO_STORE"); uri != "" {
		c.Store.URI = storeURI(uri)
	}
	f, _, check := serveFlags(&c)
	if _, err := parse(f, args, std.out); err != nil {
		return c, true, err
	}
	if err := c.Validate(); err != nil {
		return c, true, usageError{err}
	}
	if *check {
		text, err := c.redacted()
		if err == nil {
			_, err = std.out.Write(text)
		}
		return c, true, err
	}
	return c, false, nil
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, args []string, env func(string) string, std streams) (err error) {
	c, done, err := configure(args, env, std)
	if done || err != nil {
		return err
	}
	tuneMemory(env, c.Memory)
	log, lines := newLogger(std.err, c.Log.Level)
	defer func() { err = errors.Join(err, lines.Close()) }()

	// The address comes first: it is what most often is not free.
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w. Choose another with --listen", c.Listen, plainCause(err))
	}
	defer func() { _ = ln.Close() }() // done already when serving ended
	if c.BaseURL == "" {
		c.BaseURL = defaultBase(ln.Addr())
	}
	c.Store.AllowDDL = c.Store.AllowDDL || c.Demo // that clinic is ours
	st, err := openStore(ctx, c.Store, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	server, types, err := wire(ctx, c, st, log)
	if err != nil {
		return err
	}
	chart, err := c.chartSum()
	if err != nil {
		return err
	}
	endMetrics, err := serveMetrics(ctx, c, server, st)
	if err != nil {
		return err
	}
	defer endMetrics()
	defer openDesk(ctx, office{store: st, log: log, config: c, types: types, server: server, chart: chart})()
	if err := banner(std.out, c); err != nil {
		return err
	}
	log.Info("serving", "base", server.Base, "listen", ln.Addr().String(), "store", c.Store.URI.String(), "version", thisBuild().version)
	err = server.Serve(ctx, ln)
	log.Info("stopped")
	return err
}

// serveMetrics opens the second listener, when there is to be one. The function that it
// gives closes it.
func serveMetrics(ctx context.Context, c Config, server *rest.Server, st store.Store) (end func(), err error) {
	if c.Metrics.Listen == "" {
		return func() {}, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Metrics.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s for metrics: %w. Choose another with --metrics-listen", c.Metrics.Listen, plainCause(err))
	}
	countCommits(server.Metrics, st)
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Metrics.Serve(ctx, ln); err != nil {
			server.Log.Error("metrics ended", "cause", err)
		}
	}()
	return func() {
		stop()
		<-done
	}, nil
}

// countCommits adds what a store knows of its writes.
func countCommits(m *rest.Metrics, st store.Store) {
	s, ok := st.(store.Committer)
	if !ok {
		return
	}
	m.Count("portico_store_writes_total", "Writes that the store has committed.", func() float64 {
		calls, _ := s.Commits()
		return float64(calls)
	})
	m.Count("portico_store_commits_total", "Commits of the store, each of one or more writes and one wait for the disk.", func() float64 {
		_, groups := s.Commits()
		return float64(groups)
	})
}

// defaultBase is where a browser on this machine finds the server.
func defaultBase(addr net.Addr) string {
	_, port, _ := net.SplitHostPort(addr.String()) // a TCP listener always has a port
	return (&url.URL{Scheme: "http", Host: net.JoinHostPort("localhost", port)}).String()
}

// plainCause drops what net and syscall wrap around the reason.
func plainCause(err error) error {
	var op *net.OpError
	var call *os.SyscallError
	switch {
	case errors.As(err, &call):
		return call.Err
	case errors.As(err, &op):
		return op.Err
	default:
		return err
	}
}

// tuneMemory lets the collector run less often than by default, as long as the
// heap is small: what is live is little, what requests leave behind is most. From
// half of what the process may take on, memory counts for more than time. Whoever
// sets GOGC or GOMEMLIMIT knows better.
func tuneMemory(env func(string) string, memory int64) {
	if env("GOGC") == "" && env("GOMEMLIMIT") == "" {
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(memory / 2)
	}
}

// startTimeout bounds what a start asks of the store.
const startTimeout = time.Minute
