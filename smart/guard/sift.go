package guard

import (
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// Bounds on what is looked at one by one.
const (
	maxSifted = 2000 // resources
	siftPage  = 500
)

// blind gives a condition that holds for all that satisfies where as it is shown apart:
// what refers to others that are left out is not found by them. sifted says that it may
// hold for more, since such a list is asked about in another way, so that what is found
// must be looked at. nil holds for everything.
func (r *Repository) blind(v *view, where fhir.Expr) (left fhir.Expr, sifted bool, err error) {
	path := v.apart
	if path == nil || where == nil {
		return where, false, nil
	}
	b := blinder{Repository: r, view: v, list: path[0]}
	left = b.expr(where)
	return left, b.sifted, b.err
}

type blinder struct {
	*Repository
	view   *view
	list   string
	sifted bool
	err    error
}

func (b *blinder) expr(where fhir.Expr) fhir.Expr {
	switch e := where.(type) {
	case fhir.And:
		return flat(b.each(e)...)
	case fhir.Or:
		all := b.each(e)
		if slices.Contains(all, nil) {
			return nil
		}
		return fhir.Or(all)
	case fhir.Not:
		before := b.sifted
		b.sifted = false
		one := b.expr(e.Expr)
		if b.sifted {
			return nil // its opposite may hold for less
		}
		b.sifted = before
		return fhir.Not{Expr: one}
	case fhir.Term:
		return b.term(e)
	}
	return where
}

func (b *blinder) each(parts []fhir.Expr) []fhir.Expr {
	all := make([]fhir.Expr, len(parts))
	for i, part := range parts {
		all[i] = b.expr(part)
	}
	return all
}

func (b *blinder) term(t fhir.Term) fhir.Expr {
	if !looksAt(t.Param, b.view.typ, b.list) {
		return t
	}
	ref, ok := t.Value.(fhir.ReferenceValue)
	switch {
	case t.Modifier == fhir.ModMissing:
		b.sifted = true
		return nil
	case !ok || t.Modifier != "" || ref.Type == "" || ref.URL != "" || anything(t.Param):
		b.sifted = true
		return t
	}
	known, err := b.knowsKey(b.view, fhir.Key{Type: ref.Type, ID: ref.ID})
	if b.err == nil {
		b.err = err
	}
	if !known {
		return fhir.Or{}
	}
	return t
}

// sift gives a page of what is shown and satisfies what was asked. It asks for just as
// many as are missing, so that the next page begins where this one ends; there is one
// only if something more is found.
func (l *looker) sift(q fhir.Query) (fhir.Page, error) {
	var page fhir.Page
	looked, missing := 0, q.Count
	for missing > 0 {
		q.Count = missing
		found, kept, err := l.look(&q, &looked)
		if err != nil {
			return fhir.Page{}, err
		}
		page.Resources = append(page.Resources, kept...)
		missing -= len(kept)
		page.Next, page.Until = found.Next, found.Until
		if q.Cursor = found.Next; q.Cursor == "" {
			return page, nil
		}
	}
	for q.Count = siftPage; ; {
		found, kept, err := l.look(&q, &looked)
		if err != nil {
			return fhir.Page{}, err
		}
		if len(kept) > 0 {
			return page, nil
		}
		if q.Cursor = found.Next; q.Cursor == "" {
			page.Next = ""
			return page, nil
		}
	}
}

// count counts what a search finds, looking at each: an index does not know what the
// resources refer to, nor what of them is shown.
func (l *looker) count(q fhir.Query) (int64, error) {
	q.Cursor, q.Count = "", siftPage
	var n int64
	for looked := 0; ; {
		found, kept, err := l.look(&q, &looked)
		if err != nil {
			return 0, err
		}
		n += int64(len(kept))
		if q.Cursor = found.Next; q.Cursor == "" {
			return n, nil
		}
	}
}

// look gets a page, and what is left of it.
func (l *looker) look(q *fhir.Query, looked *int) (found fhir.Page, kept []fhir.Resource, err error) {
	if found, err = l.Inner.Search(l.view.actor, q); err != nil {
		return fhir.Page{}, nil, err
	}
	if *looked += len(found.Resources); *looked > maxSifted {
		return fhir.Page{}, nil, fhir.Errorf(fhir.CodeTooCostly, "http.query", "More than %d resources would have to be looked at one by one. Narrow the search.", maxSifted)
	}
	kept, err = l.recheck(found.Resources)
	return found, kept, err
}
