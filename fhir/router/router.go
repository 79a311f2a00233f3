package router

import (
	"context"
	"sync"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
)

// Repository is what the Router joins.
type Repository interface {
	fhir.Repository
	commit.Planner
}

// Router is a Repository that sends each type to the one of two that keeps it.
// Which types Mapped has is asked once. It is safe for concurrent use.
type Router struct {
	Mapped  Repository // types of the EHR; nil: there are none
	Records Repository // all others; required

	once   sync.Once
	mapped map[fhir.Type]bool
}

var _ fhir.Repository = (*Router)(nil)

// Revision changes whenever Describe may give something else than before, as far as
// the records tell.
func (r *Router) Revision() uint64 {
	if changing, ok := r.Records.(interface{ Revision() uint64 }); ok {
		return changing.Revision()
	}
	return 0
}

// IsMapped reports whether Mapped can do anything with the type.
func (r *Router) IsMapped(t fhir.Type) bool {
	if r.Mapped == nil {
		return false
	}
	r.once.Do(func() {
		r.mapped = make(map[fhir.Type]bool)
		for _, t := range fhir.Types() {
			if !r.Mapped.Describe(t).None() {
				r.mapped[t] = true
			}
		}
	})
	return r.mapped[t]
}

func (r *Router) of(t fhir.Type) Repository {
	if r.IsMapped(t) {
		return r.Mapped
	}
	return r.Records
}

// Read implements [fhir.Repository].
func (r *Router) Read(ctx context.Context, key fhir.Key) (fhir.Resource, error) {
	return r.of(key.Type).Read(ctx, key)
}

// Version implements [fhir.Repository].
func (r *Router) Version(ctx context.Context, key fhir.Key, version string) (fhir.Resource, error) {
	return r.of(key.Type).Version(ctx, key, version)
}

// Search implements [fhir.Repository].
func (r *Router) Search(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	return r.of(q.Type).Search(ctx, q)
}

// Commit implements [fhir.Repository]: changes to types of the EHR and to records are
// written all or nothing. CodeNotSupported where the two are not on one store.
func (r *Router) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	return commit.Do(ctx, changes, func(t fhir.Type) commit.Planner { return r.of(t) })
}

// Describe implements [fhir.Repository].
func (r *Router) Describe(t fhir.Type) fhir.Capability { return r.of(t).Describe(t) }
