package chartmap

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

func (t *text) search(s *seeker, path []step, q *test) cond {
	if !s.leaf(path, t.fill()) {
		return never
	}
	rule, narrowed := t, *t
	narrowed.defaulted = t.from(s.only)
	t = &narrowed
	switch q.kind {
	case testSort:
		return t.sort(s, t.valid(), sortSite{rule: rule, field: t.ref, form: formText})
	case testPresent:
		present, _ := t.has()
		return present
	case testCode:
		return t.equals(q.uri)
	case testToken:
		switch t.typ {
		case "code", "string", "id", "uri":
			present, _ := t.has()
			return q.unless(t.token(&q.token), present)
		}
	case testText:
		if t.typ == "string" || t.typ == "markdown" {
			return t.matches(q)
		}
	case testURI:
		if t.typ == "uri" || t.typ == "url" {
			present, _ := t.has()
			return q.unless(t.equals(q.uri), present)
		}
	}
	return s.refuse()
}

func (t *text) token(want *fhir.TokenValue) cond {
	switch {
	case !inSystem(want, t.typ, t.vs) || want.AnyCode && want.System == "":
		return never
	case want.AnyCode:
		present, _ := t.has()
		return present
	}
	return t.equals(want.Code)
}

// matches is a string search (R4 3.1.1.4.8).
func (t *text) matches(q *test) cond {
	switch {
	case q.modifier == fhir.ModExact:
		return t.equals(q.text)
	case byReading(q.modifier):
		return t.reads(q)
	}
	var f store.Filter = store.Prefix{Path: t.path, Value: q.text, Fold: true}
	if q.modifier == fhir.ModContains {
		f = store.Contains{Path: t.path, Value: q.text, Fold: true}
	}
	parts := []store.Filter{f}
	if q.text == "" { // what folds to nothing is in every text, but for the empty one
		parts = append(parts, t.ref.text())
	}
	return t.or(exactly{t.scalar(parts...)}, t.absent != nil && matchText(*t.absent, q))
}

// searchable reports whether text that a client looks for can be found exactly:
// U+FFFD is what unreadable characters are shown as.
func searchable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, utf8.RuneError)
}

// unprintable reports whether s has a character that is never written.
func unprintable(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' })
}

func (b *boolean) search(s *seeker, path []step, t *test) cond {
	if !s.leaf(path, b.fill()) {
		return never
	}
	rule, narrowed := b, *b
	narrowed.defaulted = b.from(s.only)
	b = &narrowed
	switch t.kind {
	case testSort:
		return b.sort(s, b.valid(), sortSite{rule: rule, field: b.ref, not: b.not, form: formFlag})
	case testPresent:
		present, _ := b.has()
		return present
	case testToken:
		present, _ := b.has()
		if t.token.AnyCode || !t.token.AnySystem && t.token.System != "" || t.token.Code != "true" && t.token.Code != "false" {
			return t.unless(never, present)
		}
		return t.unless(b.equals(t.token.Code == "true"), present)
	}
	return s.refuse()
}

func (c *coded) search(s *seeker, path []step, t *test) cond {
	if len(path) == 1 && path[0].name == "text" && c.typ == "CodeableConcept" {
		if c.label == nil {
			s.sites++
			return never
		}
		label := text{defaulted: defaulted[string]{ref: *c.label}, typ: "string"}
		return label.search(s, nil, t)
	}
	if !s.leaf(path, noFill) {
		return never
	}
	switch t.kind {
	case testPresent:
		present, _ := c.has()
		return present
	case testToken:
		return t.unless(c.token(t.token), c.token(fhir.TokenValue{AnySystem: true, AnyCode: true}))
	case testSort:
		return c.sorted(s)
	case testCode:
		if c.typ == "code" {
			return c.token(fhir.TokenValue{Code: t.uri, AnySystem: true})
		}
	}
	return s.refuse()
}

func (d *date) search(s *seeker, path []step, t *test) cond {
	if !s.leaf(path, noFill) {
		return never
	}
	switch t.kind {
	case testPresent:
		return d.present()
	case testSort:
		return s.sort(d.present(), sortSite{rule: d, field: d.ref, form: d.form()})
	case testDate:
		return d.within(t.dates)
	}
	return s.refuse()
}

func (r *reference) search(s *seeker, path []step, t *test) cond {
	if len(path) == 1 && path[0].is != "" {
		narrowed := *t
		narrowed.types = []fhir.Type{path[0].is}
		return r.search(s, nil, &narrowed)
	}
	if !s.leaf(path, noFill) {
		return never
	}
	allowed := func(o *role) bool { return len(t.types) == 0 || slices.Contains(t.types, o.typ) }
	switch t.kind {
	case testPresent:
		if f := conjunction([]store.Filter{r.usable(), r.roleIs(allowed)}); !none(f) {
			return r.notSelf(exactly{f})
		}
		return never
	case testReference:
	default:
		return s.refuse()
	}
	if t.target.URL != "" || t.target.Version != "" { // what is mapped refers to neither
		return never
	}
	var any []cond
	for i := range r.roles {
		to := &r.roles[i]
		if !allowed(to) || t.target.Type != "" && t.target.Type != to.typ {
			continue
		}
		key, suffix, ok := to.ids.parse(t.target.ID)
		if !ok || suffix != "" {
			continue
		}
		c := conjunction([]store.Filter{r.eq(key), r.roleIs(func(o *role) bool { return o == to })})
		if r.omitSelf != nil {
			c = conjunction([]store.Filter{c, store.Not{Filter: store.Eq{Path: r.omitSelf.id.path, Value: key}}})
		}
		any = append(any, exactly{c})
	}
	return some(any...)
}

// What is computed, from several fields or by $as: linear, has no search yet: only whether it
// is there is known.

func (i *integer) search(s *seeker, path []step, t *test) cond {
	if t.kind == testSort && s.leaf(path, noFill) {
		present, _ := i.has()
		return s.sort(present, sortSite{rule: i, field: i.ref, form: formNumber})
	}
	if t.kind == testNumber && s.leaf(path, noFill) {
		present, _ := i.has()
		return every((&decimal{ref: i.ref}).any(t.stretches), present)
	}
	return presence(i, s, path, t)
}

func (d *decimal) search(s *seeker, path []step, t *test) cond {
	if t.kind == testSort && s.leaf(path, noFill) {
		return d.sorted(s)
	}
	if t.kind == testNumber && d.mul == nil && s.leaf(path, noFill) {
		return d.any(t.stretches)
	}
	return presence(d, s, path, t)
}

func (d *ending) search(s *seeker, path []step, t *test) cond { return presence(d, s, path, t) }
func (l *link) search(s *seeker, path []step, t *test) cond   { return presence(l, s, path, t) }

func presence(l lens, s *seeker, path []step, t *test) cond {
	if !s.leaf(path, noFill) {
		return never
	}
	if t.kind != testPresent {
		return s.refuse()
	}
	present, _ := l.has()
	return present
}
