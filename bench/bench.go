package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// options are the flags of portico bench.
type options struct {
	url       string        // of a running server; empty: start one
	write     bool          // may write to the server at url
	duration  time.Duration // of each measurement, at most
	max       int           // operations of each measurement, at most
	clients   int           // for the create under load
	resources int           // to load
	size      int           // of the store to search; 0: measure single operations instead
	data      string        // directory of that store, which is kept; empty: a temporary one
	json      bool
	only      string // names of measurements, separated by commas; empty: all
}

// The bounds of what a user may ask for.
const (
	maxDuration  = 10 * time.Minute
	maxOps       = 10_000_000
	maxClients   = 1024
	maxResources = 10_000_000
)

// Main runs portico bench with its arguments and writes the figures, or with -h
// its usage, to stdout. With gen as its first argument it writes made-up records instead.
func Main(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) > 0 && args[0] == "gen" {
		return generate(ctx, args[1:], stdout)
	}
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	report, err := run(ctx, o)
	if err != nil {
		return err
	}
	if o.json {
		return report.writeJSON(stdout)
	}
	return report.writeText(stdout)
}

func parse(args []string, stdout io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("portico bench", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.url, "url", "", "FHIR base `URL` of a running server; without it a server with the demo clinic is started and stopped again")
	fs.BoolVar(&o.write, "write", false, "with --url: also measure creates, which leave resources on that server")
	fs.DurationVar(&o.duration, "duration", 3*time.Second, "how long each measurement lasts at most")
	fs.IntVar(&o.max, "max-ops", 200_000, "how many operations each measurement does at most")
	fs.IntVar(&o.clients, "clients", 32, "how many clients create at once, beside one alone")
	fs.IntVar(&o.resources, "resources", 20_000, "how many resources to load")
	fs.IntVar(&o.size, "size", 0, "measure the common forms of search on a store with that many made-up records, and nothing else")
	fs.StringVar(&o.data, "data", "", "with --size: keep the records in `DIR`; those that are there already are not loaded again")
	fs.BoolVar(&o.json, "json", false, "write JSON")
	fs.StringVar(&o.only, "only", "", "measure only these, separated by commas: "+strings.Join(names(), ", "))
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(stdout)
			fs.Usage()
		}
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("portico bench takes no argument %q", fs.Arg(0))
	}
	return o, o.validate()
}

// validate reports all faults at once.
func (o options) validate() error {
	var faults []error
	within := func(name string, v, max int64) {
		if v < 1 || v > max {
			faults = append(faults, fmt.Errorf("--%s must be from 1 to %d", name, max))
		}
	}
	if o.duration <= 0 || o.duration > maxDuration {
		faults = append(faults, fmt.Errorf("--duration must be above 0 and at most %v", maxDuration))
	}
	within("max-ops", int64(o.max), maxOps)
	within("clients", int64(o.clients), maxClients)
	within("resources", int64(o.resources), maxResources)
	if o.size != 0 {
		within("size", int64(o.size), maxResources)
		if o.url != "" || o.only != "" {
			faults = append(faults, errors.New("--size goes with neither --url nor --only: it starts a server of its own and measures all forms"))
		}
	}
	if o.data != "" && o.size == 0 {
		faults = append(faults, errors.New("--data goes with --size"))
	}
	if u, err := url.Parse(o.url); o.url != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		faults = append(faults, errors.New("--url must be an absolute http or https URL"))
	}
	if o.write && o.url == "" {
		faults = append(faults, errors.New("--write goes with --url: a server that bench starts is always written to"))
	}
	for name := range strings.SplitSeq(o.only, ",") {
		if o.only != "" && budgets[name] == (budget{}) {
			faults = append(faults, fmt.Errorf("--only: there is no measurement %q: want some of %s", name, strings.Join(names(), ", ")))
		}
	}
	return errors.Join(faults...)
}

// wants reports whether a measurement was asked for.
func (o options) wants(name string) bool {
	if o.only == "" {
		return true
	}
	for n := range strings.SplitSeq(o.only, ",") {
		if n == name {
			return true
		}
	}
	return false
}

// run measures what was asked for.
func run(ctx context.Context, o options) (*report, error) {
	rep := newReport()
	if o.url != "" {
		c := newClient(strings.TrimSuffix(o.url, "/"), max(o.clients, busy))
		b := &bench{options: o, client: c, rep: rep}
		return rep, b.measure(ctx, o.write)
	}
	dir, cleanup, err := workDir()
	if err != nil {
		return nil, err
	}
	defer cleanup()
	if o.size > 0 {
		return rep, measureShapes(ctx, o, dir, rep)
	}
	if err := serveAndMeasure(ctx, o, dir, rep); err != nil {
		return nil, err
	}
	if o.wants(nameLoad) {
		row, err := measureLoad(ctx, o, dir)
		if err != nil {
			return nil, err
		}
		rep.add(row)
	}
	return rep, nil
}

// serveAndMeasure runs the server for as long as it is measured.
func serveAndMeasure(ctx context.Context, o options, dir string, rep *report) (err error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := s.stop(); err == nil {
			err = stopErr
		}
	}()
	if o.wants(nameStart) {
		rep.add(row{Name: nameStart, What: "start with the demo clinic in place, until ready", Millis: s.ready.Seconds() * 1000, Memory: s.memory()})
	}
	b := &bench{options: o, client: newClient(s.base+"/fhir", max(o.clients, busy)), cpu: s.cpu, rep: rep, metrics: s.metrics}
	return b.measure(ctx, true)
}
