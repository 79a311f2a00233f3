package guard

import (
	"context"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// maxHistory bounds how many pages of a history are looked at for one.
const maxHistory = 20

// History implements [fhir.Repository]. Of an instance each version is judged by
// itself. Those of types are for callers who see all of the type; that of all types
// is for backend services.
func (r *Repository) History(ctx context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	if q.Key.ID == "" {
		return r.chronicle(ctx, q)
	}
	v, err := r.decide(ctx, q.Key.Type, scope.Read, policy.See)
	if err != nil {
		return fhir.Page{}, err
	}
	if v.whole() {
		return r.Inner.History(v.actor, q)
	}
	if len(v.branches) == 0 {
		return fhir.Page{}, notFound(q.Key)
	}
	page, err := r.versions(v, q)
	if fhir.Is(err, fhir.CodeNotFound) {
		return fhir.Page{}, notFound(q.Key)
	}
	if err != nil || len(page.Resources) == 0 && q.Cursor == "" {
		// Nothing of what was asked for, a matter of dates, or why it cannot be told: only
		// if the resource is seen at all.
		if _, hidden := r.Read(ctx, q.Key); hidden != nil && !fhir.Is(hidden, fhir.CodeDeleted) {
			return fhir.Page{}, hidden
		}
	}
	return page, err
}

// versions gives a page of the versions that are within the view. It has no total
// unless it is all there is: that would count the others.
func (r *Repository) versions(v *view, q fhir.HistoryQuery) (fhir.Page, error) {
	var out fhir.Page
	whole := q.Cursor == ""
	for range maxHistory {
		page, err := r.Inner.History(v.actor, q)
		if err != nil {
			return fhir.Page{}, err
		}
		for _, res := range page.Resources {
			ok, err := r.visible(v, res)
			if err != nil {
				return fhir.Page{}, err
			}
			if !ok {
				continue
			}
			if res, err = r.show(v, res); err != nil {
				return fhir.Page{}, err
			}
			out.Resources = append(out.Resources, res)
		}
		out.Next, out.Until = page.Next, page.Until
		if page.Next == "" || len(out.Resources) > 0 {
			break
		}
		q.Cursor = page.Next
	}
	if whole && out.Next == "" {
		n := int64(len(out.Resources))
		out.Total = &n
	}
	return out, nil
}

// chronicle is the history of a type, or of all.
func (r *Repository) chronicle(ctx context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	types := q.Types
	a := access.From(ctx)
	switch {
	case q.Key.Type != "":
		types = []fhir.Type{q.Key.Type}
	case a != nil && a.Kind != access.System:
		return fhir.Page{}, refusedHistory()
	case types == nil:
		for _, t := range fhir.Types() {
			if r.Inner.Describe(t).HistoryType && fhir.MaySearch(ctx, r, t) {
				types = append(types, t)
			}
		}
		q.Types = types
	}
	if len(types) == 0 {
		return fhir.Page{}, refusedHistory()
	}
	for _, t := range types {
		v, err := r.decide(ctx, t, scope.Search, policy.See)
		switch {
		case err != nil:
			return fhir.Page{}, err
		case !v.whole():
			return fhir.Page{}, refusedHistory()
		}
	}
	return r.Inner.History(behind(ctx, a), q)
}

func refusedHistory() error {
	return fhir.Errorf(fhir.CodeForbidden, "", "This token may not see the history of several resources. Ask for [type]/[id]/_history.")
}
