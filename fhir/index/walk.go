package index

import "github.com/portico-fhir/portico/store"

// Walk is a way through entries: what has one in the stretches meets the condition that
// the walk is for, in the order of the entries, descending for dates.
type Walk struct {
	Stretches []store.Stretch
	Desc      bool
	Rest      store.Filter // what meets it, too, without such an entry, and more; nil for nothing
	Others    store.And    // conditions besides
}

// beside gives the walk for an And of which p is one part more, behind those with the
// filters before. Where one of them asks for an entry that is known as a whole, that
// one leads to fewer.
func (w *Walk) beside(p Plan, before store.And, free bool) *Walk {
	if !free || known(p.Where) {
		return &Walk{}
	}
	switch {
	case w == nil && p.Walk != nil:
		out := *p.Walk
		out.Others = append(before[:len(before):len(before)], out.Others...)
		return &out
	case w != nil && w.Stretches != nil:
		return w.with(p.Where)
	}
	return w
}

// with gives the walk for one condition more.
func (w *Walk) with(f store.Filter) *Walk {
	if w == nil || w.Stretches == nil {
		return w
	}
	out := *w
	out.Others = append(w.Others[:len(w.Others):len(w.Others)], f)
	return &out
}

// known reports whether a filter asks for whole entries.
func known(f store.Filter) bool {
	switch f := f.(type) {
	case store.Eq, store.In:
		return true
	case store.And:
		for _, part := range f {
			if known(part) {
				return true
			}
		}
	}
	return false
}
