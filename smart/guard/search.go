package guard

import (
	"context"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// Search implements [fhir.Repository].
func (r *Repository) Search(ctx context.Context, q *fhir.Query) (page fhir.Page, err error) {
	v, err := r.decide(ctx, q.Type, letter(ctx, scope.Search), policy.See)
	if err != nil {
		return fhir.Page{}, err
	}
	if err := v.mayAsk(q); err != nil {
		return fhir.Page{}, err
	}
	where, never, err := r.narrow(v, q.Where)
	if err != nil {
		return fhir.Page{}, err
	}
	if never {
		if q.Total || q.Count < 1 {
			page.Total = new(int64)
		}
		return page, nil
	}
	narrowed := *q
	narrowed.Where = where
	rule := r.Policy.Record[q.Type]
	counted := !v.whole() && rule != nil && rule.Through && (q.Total || q.Count < 1)
	if counted {
		narrowed.Total = false
		total, err := r.countThrough(v, narrowed)
		if err != nil || q.Count < 1 {
			return fhir.Page{Total: &total}, err
		}
		defer func() { page.Total = &total }()
	}
	page, err = r.Inner.Search(v.actor, &narrowed)
	if err != nil || v.whole() {
		return page, err
	}
	page.Resources, err = r.recheck(v, page.Resources)
	return page, err
}

// recheck looks at what was found once more: an index does not know that references
// to a version confer nothing, and a mistake in one must not show.
func (r *Repository) recheck(v *view, found []fhir.Resource) ([]fhir.Resource, error) {
	kept := make([]fhir.Resource, 0, len(found))
	for _, res := range found {
		belongs := false
		for _, b := range v.branches {
			in, err := r.belongs(v.actor, res, b.of)
			if err != nil {
				return nil, err
			}
			belongs = belongs || in
		}
		if !belongs {
			continue
		}
		res.Body = without(res.Body, v.hide.Elements)
		kept = append(kept, res)
	}
	return kept, nil
}

// mayAsk refuses a search that would tell what is hidden.
func (v *view) mayAsk(q *fhir.Query) error {
	if len(v.hide.Params) == 0 {
		return nil
	}
	tells := func(p *fhir.SearchParam) bool {
		if p == nil {
			return false
		}
		// A parameter that is not R4's own may look at anything.
		_, r4 := search.LookupURL(p.URL)
		return !r4 || p.Name == "_text" || p.Name == "_content" || slices.Contains(v.hide.Params, p.Name)
	}
	about := func(e fhir.Expr) bool {
		switch e := e.(type) {
		case fhir.Term:
			return tells(e.Param)
		case fhir.Chain:
			return tells(e.Param)
		}
		return false
	}
	if slices.ContainsFunc(q.Sort, func(k fhir.SortKey) bool { return tells(k.Param) }) || fhir.Some(q.Where, about) {
		return fhir.Errorf(fhir.CodeForbidden, "http.query", "This token may not search %s in this way.", q.Type)
	}
	return nil
}
