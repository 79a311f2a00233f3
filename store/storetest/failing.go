package storetest

import (
	"context"
	"iter"

	"github.com/portico-fhir/portico/store"
)

// Failing is a store of which the Nth operation fails with store.ErrUnavailable, counted
// by Calls; with N 0 none does. It is for one goroutine at a time.
type Failing struct {
	store.Store
	N, Calls int
	// Within lets a search fail behind its first document instead of at its start.
	Within bool
	// Failed says that the Nth operation was reached.
	Failed bool
}

func (f *Failing) fails() bool {
	f.Calls++
	f.Failed = f.Failed || f.Calls == f.N
	return f.Calls == f.N
}

// Find implements [store.Store].
func (f *Failing) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	if !f.fails() {
		return f.Store.Find(ctx, q)
	}
	return func(yield func(store.Doc, error) bool) {
		if f.Within {
			for doc, err := range f.Store.Find(ctx, q) {
				if !yield(doc, err) {
					return
				}
				break
			}
		}
		yield(nil, store.ErrUnavailable)
	}
}

// Count implements [store.Store].
func (f *Failing) Count(ctx context.Context, q store.Query) (int64, error) {
	if f.fails() {
		return 0, store.ErrUnavailable
	}
	return f.Store.Count(ctx, q)
}

// Apply implements [store.Store].
func (f *Failing) Apply(ctx context.Context, ops []store.Op) error {
	if f.fails() {
		return store.ErrUnavailable
	}
	return f.Store.Apply(ctx, ops)
}

// Ensure implements [store.Store].
func (f *Failing) Ensure(ctx context.Context, indexes []store.Index) error {
	if f.fails() {
		return store.ErrUnavailable
	}
	return f.Store.Ensure(ctx, indexes)
}
