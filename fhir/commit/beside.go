package commit

import (
	"context"
	"fmt"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

type besideKey struct{}

// beside is a list of makers of ops, the newest first.
type beside struct {
	make func([]fhir.Result) ([]store.Op, error)
	next *beside
	as   func([]fhir.Result) []fhir.Result // instead of make: what next sees
}

// Beside returns a context under which a commit applies further operations, made
// from its results, in the same Apply: all or nothing with the changes, also where
// these turn out to change nothing. They concern collections of Portico's
// own, never resources. make is called once in every attempt and must have no effect
// of its own; its error ends the commit. When an op of it fails at its precondition,
// the commit ends with a *Refused. Several Besides add up, the
// first that was set first.
func Beside(ctx context.Context, make func(results []fhir.Result) ([]store.Op, error)) context.Context {
	next, _ := ctx.Value(besideKey{}).(*beside)
	return context.WithValue(ctx, besideKey{}, &beside{make: make, next: next})
}

// Instead returns a context for a commit that stands for another: what was put beside that one is made from
// what as gives for the results of this one.
func Instead(ctx context.Context, as func([]fhir.Result) []fhir.Result) context.Context {
	next, _ := ctx.Value(besideKey{}).(*beside)
	return context.WithValue(ctx, besideKey{}, &beside{next: next, as: as})
}

// Refused is the error of a commit when an op that was put beside it failed at its
// precondition, so that nothing was written. It is store.ErrConflict or store.ErrExists.
type Refused struct {
	Op  store.Op
	Err error
}

// Error implements error without quoting any document.
func (r *Refused) Error() string {
	return fmt.Sprintf("commit: beside the changes, in %s: %v", r.Op.Collection, r.Err)
}

// Unwrap gives the error of the store.
func (r *Refused) Unwrap() error { return r.Err }

// Blamed is an error of what was put beside a commit that is about one of its changes.
type Blamed struct {
	Change int // its number
	Err    error
}

// Error implements error.
func (b *Blamed) Error() string { return b.Err.Error() }

// Unwrap gives the error itself.
func (b *Blamed) Unwrap() error { return b.Err }

// besides appends the ops of all Besides.
func besides(ctx context.Context, ops []store.Op, results []fhir.Result) ([]store.Op, error) {
	b, _ := ctx.Value(besideKey{}).(*beside)
	return b.append(ops, results)
}

func (b *beside) append(ops []store.Op, results []fhir.Result) ([]store.Op, error) {
	if b == nil {
		return ops, nil
	}
	if b.as != nil {
		return b.next.append(ops, b.as(results))
	}
	ops, err := b.next.append(ops, results)
	if err != nil {
		return nil, err
	}
	more, err := b.make(results)
	return append(ops, more...), err
}
