package guard

import (
	"context"
	"slices"
	"strings"

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
	if err := r.mayAsk(v, q); err != nil {
		return fhir.Page{}, err
	}
	asked, sifted, err := r.blind(v, q.Where)
	if err != nil {
		return fhir.Page{}, err
	}
	where, never, err := r.narrow(v, asked)
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
	look := looker{Repository: r, view: v}
	if sifted {
		look.asked = q.Where
	}
	rule := r.Policy.Record[q.Type]
	counted := !v.whole() && (sifted || rule != nil && rule.Through) && (q.Total || q.Count < 1)
	if counted {
		narrowed.Total = false
		total, err := look.count(narrowed)
		if err != nil || q.Count < 1 {
			return fhir.Page{Total: &total}, err
		}
		defer func() { page.Total = &total }()
	}
	if sifted {
		return look.sift(narrowed)
	}
	page, err = r.Inner.Search(v.actor, &narrowed)
	if err != nil || v.whole() {
		return page, err
	}
	page.Resources, err = look.recheck(page.Resources)
	return page, err
}

// looker looks at what was found once more.
type looker struct {
	*Repository
	view  *view
	asked fhir.Expr // what is shown must satisfy, where an index knows more than that; else nil
}

// recheck leaves what is within the view, as it is shown: an index does not know that
// references to a version confer nothing, and a mistake in one must not show.
func (l *looker) recheck(found []fhir.Resource) ([]fhir.Resource, error) {
	kept := make([]fhir.Resource, 0, len(found))
	for _, res := range found {
		belongs := false
		for _, b := range l.view.branches {
			in, err := l.belongs(l.view.actor, res, b.of)
			if err != nil {
				return nil, err
			}
			belongs = belongs || in
		}
		if !belongs {
			continue
		}
		shown, err := l.show(l.view, res)
		if err != nil {
			return nil, err
		}
		if l.asked != nil {
			if in, err := l.matcher().Match(res.Type, shown.Body, l.asked); err != nil || !in {
				if err != nil {
					return nil, err
				}
				continue
			}
		}
		kept = append(kept, shown)
	}
	return kept, nil
}

// mayAsk refuses a search that would tell what is hidden.
func (r *Repository) mayAsk(v *view, q *fhir.Query) error {
	path := v.apart
	if len(v.hide.Params) == 0 && path == nil {
		return nil
	}
	tells := func(p *fhir.SearchParam) bool {
		// A parameter that is not R4's own may look at anything.
		return p != nil && len(v.hide.Params) > 0 && (anything(p) || slices.Contains(v.hide.Params, p.Name))
	}
	about := func(e fhir.Expr) bool {
		switch e := e.(type) {
		case fhir.Term:
			return tells(e.Param) || path != nil && custom(e.Param) // what it looks at is not known here
		case fhir.Chain:
			return tells(e.Param) || path != nil && looksAt(e.Param, v.typ, path[0])
		}
		return false
	}
	sorts := func(k fhir.SortKey) bool {
		return tells(k.Param) || path != nil && k.Param != nil && looksAt(k.Param, v.typ, path[0])
	}
	if slices.ContainsFunc(q.Sort, sorts) || fhir.Some(q.Where, about) {
		return notAsked(q.Type)
	}
	return nil
}

func notAsked(t fhir.Type) error {
	return fhir.Errorf(fhir.CodeForbidden, "http.query", "This token may not search %s in this way.", t)
}

// anything reports whether a parameter may look at any part of a resource.
func anything(p *fhir.SearchParam) bool {
	return custom(p) || p.Name == "_text" || p.Name == "_content"
}

// custom reports whether a parameter is not R4's own.
func custom(p *fhir.SearchParam) bool {
	_, r4 := search.LookupURL(p.URL)
	return !r4
}

// looksAt reports whether a parameter may look at an element of a type.
func looksAt(p *fhir.SearchParam, t fhir.Type, element string) bool {
	return anything(p) || strings.Contains(p.Expression, string(t)+"."+element)
}
