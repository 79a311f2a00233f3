package guard

import (
	"strings"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/scope"
)

// filters remembers the conditions of granular scopes and of the policy for a while:
// what can be asked may change. There are but few, those that apps are registered with.
type filters struct {
	mu    sync.Mutex
	since time.Time
	known map[filterKey]condition
}

type filterKey struct {
	typ    fhir.Type
	filter string
}

type condition struct {
	where fhir.Expr
	ok    bool
}

// Bounds on what is remembered; beyond them it is forgotten.
const (
	maxFilters = 10_000
	filtersFor = time.Minute
)

// filter gives the condition of a filter on a type; ok is false when it cannot be
// asked here.
func (r *Repository) filter(t fhir.Type, filter string) (fhir.Expr, bool) {
	key := filterKey{t, filter}
	now := r.now()
	r.filters.mu.Lock()
	if age := now.Sub(r.filters.since); r.filters.known == nil || len(r.filters.known) >= maxFilters || age < 0 || age > filtersFor {
		r.filters.known, r.filters.since = make(map[filterKey]condition), now
	}
	c, known := r.filters.known[key]
	r.filters.mu.Unlock()
	if known {
		return c.where, c.ok
	}
	c.where, c.ok = r.readFilter(t, filter)
	r.filters.mu.Lock()
	defer r.filters.mu.Unlock()
	r.filters.known[key] = c
	return c.where, c.ok
}

func (r *Repository) readFilter(t fhir.Type, filter string) (fhir.Expr, bool) {
	pairs, ok := scope.Pairs(filter)
	if !ok {
		return nil, false
	}
	params := make([]search.Pair, len(pairs))
	for i, p := range pairs {
		name, _, _ := strings.Cut(p.Name, ":")
		if _, ok := search.Lookup(t, name); !ok || name == search.Filter {
			return nil, false // a chain, what may have one, or what is about the result
		}
		params[i] = search.Pair(p)
	}
	req, err := r.parser().Parse(t, params, false, "")
	if err != nil || req.Query.Where == nil {
		return nil, false
	}
	return req.Query.Where, true
}

// param finds a search parameter that Inner offers; nil when it does not.
func (r *Repository) param(t fhir.Type, name string) *fhir.SearchParam {
	key := filterKey{t, name}
	if p, ok := r.terms.Load(key); ok {
		return p.(*fhir.SearchParam)
	}
	var found *fhir.SearchParam
	for _, p := range r.Inner.Describe(t).Params {
		if p.Name == name {
			found = p
		}
	}
	r.terms.Store(key, found) // names are those of the policy: few
	return found
}
