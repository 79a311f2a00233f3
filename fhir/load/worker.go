package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/portico-fhir/portico/fhir"
)

// maxAttempts bounds how often a commit is tried while the repository says that
// it cannot serve now.
const maxAttempts = 5

// worker checks units and commits them in batches.
type worker struct {
	*run
	in      <-chan unit
	waiting *semaphore.Weighted // for the bytes of what is in all inboxes

	changes []fhir.Change
	places  []Position
	keys    map[fhir.Key]bool
	bytes   int
}

// work ends when the inbox is closed and all is committed, or with the first
// error that concerns more than one resource.
func (w *worker) work(ctx context.Context) error {
	for u := range w.in {
		w.waiting.Release(u.weight())
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.take(ctx, u); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return w.flush(ctx)
}

// take checks one unit and adds it to the batch.
func (w *worker) take(ctx context.Context, u unit) error {
	w.tally.read(len(u.raw))
	body, err := w.check(ctx, &u)
	if err != nil {
		if asIssues(err) == nil {
			return err
		}
		w.tally.fail(Failure{Position: u.Position, Key: u.key, Err: err})
		return nil
	}
	if u.done {
		w.tally.done(u.key.Type, fhir.Unchanged)
		return nil
	}
	batch := cmp.Or(w.Batch, DefaultBatch)
	if w.keys[u.key] || len(w.changes) >= batch || w.bytes+len(body) > batch*batchBytes {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.keys[u.key] = true
	w.changes = append(w.changes, fhir.Change{Method: fhir.Put, Key: u.key, Body: body})
	w.places = append(w.places, u.Position)
	w.bytes += len(body)
	return nil
}

// check gives the body to write, and completes the key of u.
func (w *worker) check(ctx context.Context, u *unit) ([]byte, error) {
	if u.err != nil || u.done {
		return nil, u.err
	}
	if most := w.limits().line; int64(len(u.raw)) > most {
		return nil, fhir.Errorf(fhir.CodeTooLong, "", "the resource has more than %d bytes", most)
	}
	body, err := w.rewrite(ctx, *u)
	if err != nil {
		return nil, err
	}
	info, err := w.Validator.Validate(body, "")
	if err != nil {
		return nil, err
	}
	u.key.Type = info.Type
	if !fhir.ValidID(u.key.ID) {
		return nil, fhir.Errorf(fhir.CodeInvalid, "", "the id %q is not 1 to 64 letters, digits, '-' or '.'", u.key.ID)
	}
	if !w.can[info.Type].UpdateCreate {
		return nil, fhir.Errorf(fhir.CodeNotSupported, "", "%s cannot be loaded here: it is not kept by Portico, or is read-only", info.Type)
	}
	return body, nil
}

// flush commits the batch.
func (w *worker) flush(ctx context.Context) error {
	if len(w.changes) == 0 {
		return nil
	}
	err := w.commit(ctx, w.changes, w.places)
	clear(w.changes)
	clear(w.keys)
	w.changes, w.places, w.bytes = w.changes[:0], w.places[:0], 0
	return err
}

// commit writes the changes. A commit is all or nothing: when one is refused, the
// halves are tried, down to the change that is to blame.
func (w *worker) commit(ctx context.Context, changes []fhir.Change, places []Position) error {
	results, err := w.persist(ctx, changes)
	switch {
	case err == nil:
		w.tally.results(results)
		return nil
	case asIssues(err) == nil || unavailable(err):
		return fmt.Errorf("load: %w", err)
	case len(changes) == 1:
		w.tally.fail(Failure{Position: places[0], Key: changes[0].Key, Err: err})
		return nil
	}
	half := len(changes) / 2
	if err := w.commit(ctx, changes[:half], places[:half]); err != nil {
		return err
	}
	return w.commit(ctx, changes[half:], places[half:])
}

// persist commits, and tries again while the repository cannot serve.
func (w *worker) persist(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	for attempt := 1; ; attempt++ {
		results, err := w.Repository.Commit(ctx, changes)
		if err == nil || !unavailable(err) || attempt == maxAttempts || ctx.Err() != nil {
			return results, err
		}
		timer := time.NewTimer(50 * time.Millisecond << attempt)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

// unavailable reports whether an error is about the repository, not about what was to
// be written.
func unavailable(err error) bool {
	var known *fhir.Error
	if !errors.As(err, &known) {
		return false
	}
	switch known.Code() {
	case fhir.CodeTransient, fhir.CodeTimeout, fhir.CodeThrottled, fhir.CodeException:
		return true
	}
	return false
}

// asIssues gives the issues of an error that is about a resource, else nil.
func asIssues(err error) []fhir.Issue {
	var known *fhir.Error
	if errors.As(err, &known) {
		return known.Issues
	}
	return nil
}
