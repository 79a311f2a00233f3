package join

import (
	"context"
	"iter"
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// Page sizes of the searches that a join needs.
const (
	glance    = 100  // enough to see whether a condition finds but a few
	pageSize  = 1000 // for going through all
	batchSize = 500  // ids in one condition
)

// maxCandidates is how many bytes of candidates are kept.
const maxCandidates = 8 << 20

// The parameters by which resources are found one by one.
const (
	paramID      = "_id"
	paramURL     = "url"
	paramVersion = "version"
)

// request is the work on one search.
type request struct {
	inner  fhir.Repository
	base   string
	limits Limits
	glance int // hits of a chain or _has that are few
	most   int // candidates that are worth narrowing it
	few    int // targets that need no walk
	types  map[fhir.Type]*resourceType
	reads  int // resources looked at so far
	memo   []answer
	seen   []candidates
}

// resourceType is what inner can do with a type.
type resourceType struct {
	fhir.Capability
	name       fhir.Type
	references map[*fhir.SearchParam]paths
}

// of asks inner but once for each type.
func (r *request) of(t fhir.Type) *resourceType {
	have, ok := r.types[t]
	if !ok {
		have = &resourceType{Capability: r.inner.Describe(t), name: t, references: make(map[*fhir.SearchParam]paths)}
		r.types[t] = have
	}
	return have
}

// can refuses a parameter that inner cannot answer.
func (t *resourceType) can(p *fhir.SearchParam) error {
	if !t.Search || !slices.Contains(t.Params, p) {
		return fhir.Errorf(fhir.CodeNotSupported, "http.query", "Searching %s by %q is not supported here.", t.name, p.Name)
	}
	return nil
}

// param finds a parameter of the type by its name; nil if inner has none.
func (t *resourceType) param(name string, typ fhir.ParamType) *fhir.SearchParam {
	i := slices.IndexFunc(t.Params, func(p *fhir.SearchParam) bool { return p.Name == name && p.Type == typ })
	if i < 0 {
		return nil
	}
	return t.Params[i]
}

// oneOf holds for the resources of the type with one of these ids.
func (t *resourceType) oneOf(ids []string) (fhir.Or, error) {
	id := t.param(paramID, fhir.ParamToken)
	if id == nil || !t.Search {
		return nil, fhir.Errorf(fhir.CodeNotSupported, "http.query", "Searching %s by %q is not supported here.", t.name, paramID)
	}
	or := make(fhir.Or, len(ids))
	for i, v := range ids {
		or[i] = fhir.Term{Param: id, Value: fhir.TokenValue{Code: v, AnySystem: true}}
	}
	return or, nil
}

// exhausted says that the request has looked at too much.
func (r *request) exhausted() error {
	return fhir.Errorf(fhir.CodeTooCostly, "http.query",
		"Chains, _has and includes would look at more than %d resources. Add conditions that narrow the search.", r.limits.Reads)
}

// find yields what inner finds, page by page. It ends with an error when the
// request has looked at too much.
func (r *request) find(ctx context.Context, t fhir.Type, where fhir.Expr, count int) iter.Seq2[fhir.Resource, error] {
	return func(yield func(fhir.Resource, error) bool) {
		q := fhir.Query{Type: t, Where: where, Count: count}
		for {
			if err := context.Cause(ctx); err != nil {
				yield(fhir.Resource{}, err)
				return
			}
			r.reads++ // even of nothing
			page, err := r.inner.Search(ctx, &q)
			if err != nil {
				yield(fhir.Resource{}, err)
				return
			}
			for _, res := range page.Resources {
				if r.reads++; r.reads > r.limits.Reads {
					yield(fhir.Resource{}, r.exhausted())
					return
				}
				if !yield(res, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.Cursor, q.Count = page.Next, pageSize
		}
	}
}
