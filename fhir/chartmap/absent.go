package chartmap

import "github.com/portico-fhir/portico/store"

// defaulted is a field with a value that stands for a missing one ($absent).
type defaulted[V any] struct {
	ref
	absent *V // nil for none

	onlyAbsent bool // in search: the stored values do not count
}

func (d *defaulted[V]) fill() filling { return fillIf(d.absent != nil) }

func fillIf(b bool) filling {
	if b {
		return mayFill
	}
	return noFill
}

// from narrows the field to values of one source.
func (d defaulted[V]) from(only source) defaulted[V] {
	switch only {
	case fromDocument:
		d.absent = nil
	case fromFiller:
		d.onlyAbsent = true
	case anySource:
	}
	return d
}

// or adds the case that the field is missing.
func (d *defaulted[V]) or(own cond, absent bool) cond {
	if d.onlyAbsent {
		own = never
	}
	if absent {
		return some(own, exactly{d.missing()})
	}
	return own
}

// sort is by what the field holds, where own holds, and by what stands for it. The site
// is that of the field.
func (d *defaulted[V]) sort(s *seeker, own store.Filter, site sortSite) cond {
	stored, filled := never, never
	if !d.onlyAbsent {
		stored = s.sort(exactly{own}, site)
	}
	if d.absent != nil {
		filled = s.sort(exactly{d.missing()}, sortSite{rule: site.rule, value: store.V(*d.absent), form: site.form})
	}
	return some(stored, filled)
}
