package main

import (
	"context"
	"errors"
	"fmt"
	osuser "os/user"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/purge"
	"github.com/portico-fhir/portico/fhir/record"
)

// purgeVersions removes old versions for good.
func purgeVersions(ctx context.Context, args []string, env func(string) string, std streams) (err error) {
	c := defaultConfig()
	if uri := env("PORTICO_STORE"); uri != "" {
		c.Store.URI = storeURI(uri)
	}
	var types, before string
	var p record.Purge
	f := newFlags("purge")
	f.StringVar((*string)(&c.Store.URI), "store", string(c.Store.URI), "sqlite:`DIR` or mongodb://…")
	f.BoolVar(&c.Store.MongoDev, "mongo-dev", false, "accept a MongoDB without transactions or journal, for trying things out")
	f.StringVar(&types, "type", "", "comma-separated resource `types`; all by default")
	f.StringVar(&before, "before", "", "remove versions that were replaced before this `time` (2024-05-01T00:00:00Z) or this long ago (8760h); required")
	f.BoolVar(&p.Deleted, "deleted", false, "also remove all that is left of resources that were deleted before then")
	f.BoolVar(&p.DryRun, "dry-run", false, "only count")
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	if f.NArg() > 0 {
		return usageError{fmt.Errorf("purge takes no arguments, but got %q", f.Arg(0))}
	}
	if !c.Store.URI.known() || c.Store.URI == "memory:" {
		return usageError{errors.New("purge: --store must be sqlite:DIR or mongodb://HOST/DATABASE")}
	}
	if p.Types, err = typeList(types); err != nil {
		return err
	}
	if p.Before, err = moment(before, time.Now()); err != nil {
		return usageError{err}
	}
	log, lines := newLogger(std.err, c.Log.Level)
	defer func() { err = errors.Join(err, lines.Close()) }()
	st, err := openStore(ctx, c.Store, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	s := &purge.Purger{Records: &record.Repository{Store: st}, Log: log}
	sum, err := s.Run(ctx, operator(), p)
	if err != nil {
		return fmt.Errorf("%w. What was removed until then is gone: %d versions; run it again to go on", err, sum.Versions)
	}
	verb := "removed"
	if p.DryRun {
		verb = "to be removed"
	}
	_, err = fmt.Fprintf(std.out, "%d versions %s, and with them %d deleted resources\n", sum.Versions, verb, sum.Resources)
	return err
}

// moment reads a time, or how long ago it was.
func moment(s string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	d, err := fhir.ParseDate(s)
	if err != nil || !d.HasZone {
		return time.Time{}, errors.New("purge: --before must be a time with its zone, as 2024-05-01T00:00:00Z, or a duration, as 8760h")
	}
	low, _ := d.Range(time.UTC)
	if low.After(now) {
		return time.Time{}, errors.New("purge: --before is in the future")
	}
	return low, nil
}

// operator names who is at the command line.
func operator() string {
	u, err := osuser.Current()
	if err != nil {
		return "portico purge"
	}
	return "portico purge by " + u.Username
}
