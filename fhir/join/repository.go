package join

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/portico-fhir/portico/fhir"
)

// Limits bound the work of one search. Zero means the default.
type Limits struct {
	// IDs is how many resources one chain or _has may lead to; 5,000.
	IDs int
	// Reads is how many resources may be looked at besides the matches; 20,000.
	Reads int
	// Included is how many resources one page may include, 1,000, and Bytes
	// how many bytes they may have together; 32 MiB.
	Included, Bytes int
	// Rounds is how often :iterate may go on from what was included; 20.
	Rounds int
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		limit *int
		value int
	}{{&l.IDs, 5000}, {&l.Reads, 20_000}, {&l.Included, 1000}, {&l.Bytes, 32 << 20}, {&l.Rounds, 20}} {
		if *d.limit == 0 {
			*d.limit = d.value
		}
	}
	return l
}

// Repository is a Repository that resolves chains, _has and includes, and leaves
// everything else to Inner. Set the fields before the first call. Safe for
// concurrent use. Which parameters Inner has is asked once at each Revision for the
// lists of includes, and again for each search.
type Repository struct {
	Inner  fhir.Repository
	Base   string // the server's FHIR base URL without a trailing slash
	Limits Limits
	// Revision changes whenever Inner describes another thing than before; nil: it
	// never does.
	Revision func() uint64

	// few is how many hits are looked at before candidates are, how many
	// candidates, and how many targets are not walked through; 0 means the constants. Tests set it.
	few int

	described atomic.Pointer[described]
}

var (
	_ fhir.Repository = (*Repository)(nil)
	_ fhir.Permitter  = (*Repository)(nil)
)

// Permits implements [fhir.Permitter]: what Inner says.
func (r *Repository) Permits(ctx context.Context, t fhir.Type, u fhir.Use) error {
	return fhir.Permits(ctx, r.Inner, t, u)
}

// Read implements [fhir.Repository].
func (r *Repository) Read(ctx context.Context, key fhir.Key) (fhir.Resource, error) {
	return r.Inner.Read(ctx, key)
}

// Version implements [fhir.Repository].
func (r *Repository) Version(ctx context.Context, key fhir.Key, version string) (fhir.Resource, error) {
	return r.Inner.Version(ctx, key, version)
}

// History implements [fhir.Repository].
func (r *Repository) History(ctx context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	return r.Inner.History(ctx, q)
}

// Commit implements [fhir.Repository]. The conditions of creations are resolved
// before: what chains lead to is not watched meanwhile.
func (r *Repository) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	chained := func(c fhir.Change) bool { return c.IfNoneExist != nil && joins(c.IfNoneExist.Query.Where) }
	if !slices.ContainsFunc(changes, chained) {
		return r.Inner.Commit(ctx, changes)
	}
	req := r.request()
	plain := slices.Clone(changes)
	for i, c := range plain {
		if !chained(c) {
			continue
		}
		q, err := req.plain(ctx, c.IfNoneExist.Query)
		if err != nil {
			return nil, err
		}
		plain[i].IfNoneExist = &fhir.Condition{Name: c.IfNoneExist.Name, Query: q}
	}
	return r.Inner.Commit(ctx, plain)
}

// Search implements [fhir.Repository]. The page, its position and its total are
// Inner's; Included holds what the includes add to this page, sorted by type and
// id, each once and none that is a match on the page. CodeTooCostly when a limit
// is reached, CodeNotSupported for a parameter that Inner does not have.
func (r *Repository) Search(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	if !joins(q.Where) && len(q.Include) == 0 {
		return r.Inner.Search(ctx, q)
	}
	req := r.request()
	if err := req.check(q.Include); err != nil {
		return fhir.Page{}, err
	}
	page, err := req.search(ctx, q)
	if err != nil || len(q.Include) == 0 || len(page.Resources) == 0 {
		return page, err
	}
	if page.Included, err = req.include(ctx, q.Include, page.Resources); err != nil {
		return fhir.Page{}, err
	}
	return page, nil
}

func (r *Repository) request() *request {
	req := &request{
		inner: r.Inner, base: r.Base, limits: r.Limits.withDefaults(),
		glance: glance, most: batchSize, few: fewTargets, types: make(map[fhir.Type]*resourceType),
	}
	if r.few > 0 {
		req.glance, req.most, req.few = r.few, r.few, r.few
	}
	return req
}

// search finds a page, but for what it includes.
func (r *request) search(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	if w := r.walk(q); w != nil {
		return w.search(ctx)
	}
	plain, err := r.plain(ctx, q)
	if err != nil {
		return fhir.Page{}, err
	}
	return r.inner.Search(ctx, plain)
}

// plain makes the query that inner answers.
func (r *request) plain(ctx context.Context, q *fhir.Query) (*fhir.Query, error) {
	plain := *q
	plain.Include = nil
	var err error
	if plain.Where, err = r.resolve(ctx, q.Type, q.Where, nil); err != nil {
		return nil, err
	}
	if never(plain.Where) {
		// Inner is asked all the same, for it may have a reason to refuse; an
		// impossible id is what it sees through at once.
		if plain.Where, err = r.of(q.Type).oneOf([]string{""}); err != nil {
			return nil, err
		}
	}
	return &plain, nil
}
