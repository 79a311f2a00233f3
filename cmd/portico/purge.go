package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/purge"
	"github.com/portico-fhir/portico/fhir/record"
)

// purging removes old versions for good.
type purging struct {
	lasting

	Types           []fhir.Type // none: all
	Before          time.Time
	Deleted, DryRun bool
	By              string
}

// purgeVersions removes old versions for good.
func purgeVersions(ctx context.Context, args []string, env func(string) string, std streams) error {
	e := &purging{By: "portico purge by " + operator()}
	f := newFlags("purge")
	types := f.String("type", "", "comma-separated resource `types`; all by default")
	before := f.String("before", "", "remove versions that were replaced before this `time` (2024-05-01T00:00:00Z) or this long ago (8760h); required")
	f.BoolVar(&e.Deleted, "deleted", false, "also remove all that is left of resources that were deleted before then")
	f.BoolVar(&e.DryRun, "dry-run", false, "only count")
	at, _, done, err := place(f, args, "", env, std)
	if err != nil || done {
		return err
	}
	if e.Types, err = typeList(*types); err != nil {
		return err
	}
	if e.Before, err = moment(*before, time.Now()); err != nil {
		return usageError{err}
	}
	return dispatch(ctx, at, f.Name(), e, std)
}

func (e *purging) carryOut(ctx context.Context, o *office) (string, error) {
	records, err := o.records(defaultConfig(), stated{})
	if err != nil {
		return "", err
	}
	verb := "removed"
	if e.DryRun {
		verb = "to be removed"
	}
	p := record.Purge{Types: e.Types, Before: e.Before, Deleted: e.Deleted, DryRun: e.DryRun}
	p.Progress = every(tellEvery, func(sum record.Purged) { o.tell(fmt.Sprintf("%d versions %s so far", sum.Versions, verb)) })
	if o.serves() {
		p.Progress = record.Gently(ctx, p.Progress)
	}
	sum, err := (&purge.Purger{Records: records, Log: o.log}).Run(ctx, e.By, p)
	if err != nil {
		return "", fmt.Errorf("%w. What was removed until then is gone: %d versions; run it again to go on", why(ctx, err), sum.Versions)
	}
	return fmt.Sprintf("%d versions %s, and with them %d deleted resources\n", sum.Versions, verb, sum.Resources), nil
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
