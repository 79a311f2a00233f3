package router

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// History implements [fhir.Repository]. That of several types is of the records and of those types of the EHR
// that have a history, in the order of time; without named types, of all that have one.
func (r *Router) History(ctx context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	if q.Key.Type != "" {
		return r.of(q.Key.Type).History(ctx, q)
	}
	records, mapped := []fhir.Type{}, []fhir.Type(nil) // none is not all
	types := q.Types
	if types == nil {
		types = slices.DeleteFunc(fhir.Types(), func(t fhir.Type) bool { return r.IsMapped(t) && !r.Mapped.Describe(t).HistoryType })
	}
	for _, t := range types {
		switch {
		case !r.IsMapped(t):
			records = append(records, t)
		case r.Mapped.Describe(t).HistoryType:
			mapped = append(mapped, t)
		default:
			return fhir.Page{}, fhir.Errorf(fhir.CodeNotSupported, "", "%s lives in the EHR, which keeps no versions that could be part of this history.", t)
		}
	}
	q.Types = records
	if len(mapped) == 0 {
		return r.Records.History(ctx, q)
	}
	both := [2]volume{{of: r.Mapped, types: mapped}, {of: r.Records, types: records, done: len(records) == 0}}
	return interleave(ctx, q, both)
}

// volume is one part of a history.
type volume struct {
	of    fhir.Repository
	types []fhir.Type
	next  string // cursor
	done  bool
	page  fhir.Page
	taken int // of page
}

// places is the cursor of a history of several volumes.
type places struct {
	Next [2]string
	Done [2]bool
}

// interleave gives a page of both volumes in the order of time. What one of them gave and the page does not take
// is asked for again, as a history stays what it was when its first page was read.
func interleave(ctx context.Context, q fhir.HistoryQuery, both [2]volume) (fhir.Page, error) {
	if q.Cursor != "" {
		text, err := base64.RawURLEncoding.DecodeString(q.Cursor)
		var at places
		if err != nil || json.Unmarshal(text, &at) != nil {
			return fhir.Page{}, fhir.Errorf(fhir.CodeInvalid, "http.query._cursor", "This is not a page of this history.")
		}
		for i := range both {
			both[i].next, both[i].done = at.Next[i], at.Done[i]
		}
	}
	for i := range both {
		if err := both[i].read(ctx, q, q.Count); err != nil {
			return fhir.Page{}, err
		}
	}
	var out fhir.Page
	for len(out.Resources) < q.Count && !both[0].waits() && !both[1].waits() {
		v := first(q.Oldest, &both[0], &both[1])
		if v == nil {
			break
		}
		out.Resources = append(out.Resources, v.page.Resources[v.taken])
		v.taken++
	}
	var at places
	for i := range both {
		if err := both[i].settle(ctx, q); err != nil {
			return fhir.Page{}, err
		}
		at.Next[i], at.Done[i] = both[i].next, both[i].done
	}
	if at.Done[0] && at.Done[1] {
		return out, nil
	}
	text, err := json.Marshal(at)
	out.Next = base64.RawURLEncoding.EncodeToString(text)
	return out, err
}

// first gives the volume whose next version comes first; nil when there is none.
func first(oldest bool, a, b *volume) *volume {
	switch {
	case a.taken == len(a.page.Resources) && b.taken == len(b.page.Resources):
		return nil
	case a.taken == len(a.page.Resources):
		return b
	case b.taken == len(b.page.Resources):
		return a
	}
	x, y := a.page.Resources[a.taken].Updated, b.page.Resources[b.taken].Updated
	if oldest {
		x, y = y, x
	}
	if y.After(x) {
		return b
	}
	return a
}

func (v *volume) read(ctx context.Context, q fhir.HistoryQuery, count int) (err error) {
	if v.done {
		return nil
	}
	q.Types, q.Cursor, q.Count = v.types, v.next, count
	v.page, err = v.of.History(ctx, q)
	return err
}

// waits reports whether what comes next is on a page that was not read.
func (v *volume) waits() bool {
	return !v.done && v.taken == len(v.page.Resources) && v.page.Next != ""
}

// settle moves behind what was taken.
func (v *volume) settle(ctx context.Context, q fhir.HistoryQuery) error {
	if n := len(v.page.Resources); v.done || v.taken == 0 && n > 0 {
		return nil
	}
	if v.taken < len(v.page.Resources) {
		if err := v.read(ctx, q, v.taken); err != nil {
			return err
		}
	}
	v.next, v.done = v.page.Next, v.page.Next == ""
	return nil
}
