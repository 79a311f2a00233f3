package terminology

import (
	"context"
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// Limits on the work of one search.
const (
	maxCodes   = 5000    // that one term may stand for
	maxWork    = 100_000 // codes that are looked at
	maxDepth   = 20      // of value sets that include others
	maxLookups = 200     // searches for definitions
)

// Repository is a Repository that resolves what is asked of value sets and code
// systems, and leaves everything else to Inner. Set the fields before the first
// call. Safe for concurrent use.
type Repository struct {
	// Inner is what is searched, and where the definitions are looked for. Chains
	// and _has are its matter.
	fhir.Repository
	Base string // the server's FHIR base URL without a trailing slash
}

var (
	_ fhir.Repository = (*Repository)(nil)
	_ fhir.Permitter  = (*Repository)(nil)
)

// Permits implements [fhir.Permitter]: what the wrapped repository says.
func (r *Repository) Permits(ctx context.Context, t fhir.Type, u fhir.Use) error {
	return fhir.Permits(ctx, r.Repository, t, u)
}

// Search implements [fhir.Repository]. CodeInvalid for a value set or code that is
// not known, CodeNotSupported for one whose codes cannot be told here, CodeTooCostly
// when a limit is reached.
func (r *Repository) Search(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	if !asks(q.Where) {
		return r.Repository.Search(ctx, q)
	}
	plain, err := r.request().query(ctx, q)
	if err != nil {
		return fhir.Page{}, err
	}
	return r.Repository.Search(ctx, plain)
}

// Commit implements [fhir.Repository]; the conditions of creations are resolved
// before.
func (r *Repository) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	conditional := func(c fhir.Change) bool { return c.IfNoneExist != nil && asks(c.IfNoneExist.Query.Where) }
	if !slices.ContainsFunc(changes, conditional) {
		return r.Repository.Commit(ctx, changes)
	}
	req := r.request()
	plain := slices.Clone(changes)
	for i, c := range plain {
		if !conditional(c) {
			continue
		}
		q, err := req.query(ctx, c.IfNoneExist.Query)
		if err != nil {
			return nil, err
		}
		plain[i].IfNoneExist = &fhir.Condition{Name: c.IfNoneExist.Name, Query: q}
	}
	return r.Repository.Commit(ctx, plain)
}

func (r *Repository) request() *request {
	return &request{inner: r.Repository, base: r.Base, sets: make(map[string]set), systems: make(map[string]*system)}
}

// request is the work on one search.
type request struct {
	inner   fhir.Repository
	base    string
	open    []string // value sets that are being expanded
	sets    map[string]set
	systems map[string]*system
	work    int
	lookups int
}

// query makes the one that inner answers.
func (r *request) query(ctx context.Context, q *fhir.Query) (*fhir.Query, error) {
	plain := *q
	var err error
	plain.Where, err = r.resolve(ctx, q.Where)
	return &plain, err
}
