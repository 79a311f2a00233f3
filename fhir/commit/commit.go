package commit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Planner turns changes into operations of one Apply. A repository that is one can
// write together with others on the same store. It is safe for concurrent use.
type Planner interface {
	// Prepare checks what no state of the store could make right. Every change
	// is of a type that the Planner keeps, and Check has accepted them all.
	Prepare(ctx context.Context, changes []fhir.Change) (Prepared, error)
}

// Prepared are changes that are ready to be planned.
type Prepared struct {
	Store store.Store
	// Plan plans the changes on what is stored now. It is called again, on
	// one goroutine, each time that another writer was faster.
	Plan func(ctx context.Context) (*Plan, error)
	// Done is called when the commit has ended, whatever came of it; nil: nobody wants to
	// know.
	Done func()
}

// Plan is one attempt: what carries the changes out if nobody else writes in between.
type Plan struct {
	Ops     []store.Op
	Results []fhir.Result // of each change, once Ops are applied
	// Failed is told which of Ops failed, with an error that is store.ErrConflict
	// or store.ErrExists. When it returns nil, the changes are planned anew, else
	// its error is the answer. nil: they are always planned anew.
	Failed func(op int, err error) error
}

// MaxAttempts bounds how often a commit starts over because another writer was
// faster. Each time at least one other commit succeeded.
const MaxAttempts = 100

// Do carries out the changes in one Apply, each planned by the Planner that of
// names for its type, together with what Beside put into ctx. Planners are compared: those of
// one repository are planned together. They must be on one store, else
// CodeNotSupported. The results are in the order of the changes.
//
// A change without a precondition that meets another writer is carried out on top of
// what that one wrote; CodeTransient when that happens again and again.
func Do(ctx context.Context, changes []fhir.Change, of func(fhir.Type) Planner) ([]fhir.Result, error) {
	if err := Check(changes); err != nil {
		return nil, err
	}
	if len(changes) == 0 {
		return nil, nil
	}
	parts, err := prepare(ctx, changes, of)
	defer func() {
		for i := range parts {
			if parts[i].Done != nil {
				parts[i].Done()
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	// What is made from what becomes of other changes is planned when that is known.
	slices.SortStableFunc(parts, func(a, b part) int { return a.waits() - b.waits() })
	for attempt := range MaxAttempts {
		if err := Pause(ctx, attempt); err != nil {
			return nil, err
		}
		results := make([]fhir.Result, len(changes))
		var ops []store.Op
		var known []fhir.Result
		for i := range parts {
			if err := parts[i].run(context.WithValue(ctx, plannedKey{}, known), &ops, results); err != nil {
				return nil, err
			}
			known = append(known, parts[i].plan.Results...)
		}
		planned := len(ops)
		if ops, err = besides(ctx, ops, results); err != nil {
			return nil, err
		}
		if len(ops) == 0 || rehearsed(ctx) {
			return results, nil
		}
		err := parts[0].Store.Apply(ctx, ops)
		switch {
		case err == nil:
			return results, nil
		case !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists):
			return nil, Fault("commit", err)
		}
		if err := blame(parts, ops, planned, err); err != nil {
			return nil, err
		}
	}
	return nil, Contended()
}

type plannedKey struct{}

// Planned gives, within a Plan, what becomes of the changes that other Planners have planned before.
func Planned(ctx context.Context) []fhir.Result {
	results, _ := ctx.Value(plannedKey{}).([]fhir.Result)
	return slices.Clip(results)
}

// waits orders what must be planned behind others.
func (p *part) waits() int {
	if slices.ContainsFunc(p.changes, func(c fhir.Change) bool { return c.Finish != nil }) {
		return 1
	}
	return 0
}

// part is what one Planner does of a commit.
type part struct {
	Prepared
	planner Planner
	changes []fhir.Change
	places  []int // of changes and results in the whole

	plan  *Plan // of this attempt
	start int   // of its ops in the whole
}

// prepare gives each Planner its changes, in the order in which they are first named.
// The parts beside an error are those that may have been prepared.
func prepare(ctx context.Context, changes []fhir.Change, of func(fhir.Type) Planner) ([]part, error) {
	var parts []part
	for i, c := range changes {
		p := of(c.Key.Type)
		n := 0
		for n < len(parts) && parts[n].planner != p {
			n++
		}
		if n == len(parts) {
			parts = append(parts, part{planner: p})
		}
		parts[n].changes, parts[n].places = append(parts[n].changes, c), append(parts[n].places, i)
	}
	for i := range parts {
		p := &parts[i]
		var err error
		if p.Prepared, err = p.planner.Prepare(ctx, p.changes); err != nil {
			return parts, err
		}
		if p.Store != parts[0].Store {
			return parts, fhir.Errorf(fhir.CodeNotSupported, "",
				"One request cannot change %s together with %s: they are kept in different databases, which cannot be written all or nothing. Send them apart.",
				p.changes[0].Key.Type, parts[0].changes[0].Key.Type)
		}
	}
	return parts, nil
}

// run plans a part and puts what comes of it into its places.
func (p *part) run(ctx context.Context, ops *[]store.Op, results []fhir.Result) (err error) {
	if p.plan, err = p.Plan(ctx); err != nil {
		return err
	}
	for i, res := range p.plan.Results {
		results[p.places[i]] = res
	}
	p.start = len(*ops)
	*ops = append(*ops, p.plan.Ops...)
	return nil
}

// blame tells whoever planned the op that failed. It gives nil when that is a reason
// to plan anew.
func blame(parts []part, ops []store.Op, planned int, err error) error {
	var at *store.OpError
	if !errors.As(err, &at) || at.Index < 0 || at.Index >= len(ops) {
		return nil
	}
	if at.Index >= planned {
		return &Refused{Op: ops[at.Index], Err: err}
	}
	for i := range parts {
		p := &parts[i]
		if n := at.Index - p.start; n >= 0 && n < len(p.plan.Ops) && p.plan.Failed != nil {
			return p.plan.Failed(n, err)
		}
	}
	return nil
}

// Contended is the error of giving up: others were faster again and again.
func Contended() error {
	return fhir.Errorf(fhir.CodeTransient, "", "Too many others are changing the same resource. Try again later.")
}

// Pause lets others finish before a further attempt, the first being number 0. The error
// is that of a ctx that has ended.
func Pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(rand.N(time.Millisecond << min(attempt-1, 5)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Fault gives an error of a store as the client is to see it: what of it the client
// can do something about is a *fhir.Error, all else stays what it is. What says what was being done,
// without any content.
func Fault(what string, err error) error {
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return fhir.Errorf(fhir.CodeTransient, "", "The store cannot serve this now. Try again later.").Because(err)
	case errors.Is(err, store.ErrTooLarge):
		return fhir.Errorf(fhir.CodeTooLong, "", "The content is larger than the store takes in one resource or one request.").Because(err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}
