package chartmap

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir/schema"
)

// A lens reads one element out of documents (get), changes documents so that they
// have it (put), and turns conditions on the element into conditions on documents
// (search). It is what a rule of the chart map is compiled to.
//
// Exactness is the contract between the two: the condition that search gives
// holds for a document exactly when what get writes for it satisfies the test.
type lens interface {
	// get appends the element as JSON. When it returns absent, what it
	// appended is to be discarded.
	get(e *encoder, f *frame) state

	// put changes what stands in f so that get writes v, which is nil for an
	// element that is not there. It changes nothing where get writes that
	// already. What cannot be is told to w, as far as it is not seen when what
	// get makes of the result is compared with what was to be written. It may
	// complete v by what follows from it (units, what codes mean).
	put(w *writer, f *frame, v *node, at string)

	// match says how well v fits: 0 when it belongs elsewhere, 1 when it is
	// meant for this rule but constants differ, 2 when they agree.
	match(v *node) int

	// has gives the conditions under which get is not absent, and under
	// which it is stored.
	has() (present, own cond)

	// search gives the condition under which a value below path satisfies t.
	search(s *seeker, path []step, t *test) cond

	// fill says what get may be besides absent and stored.
	fill() filling
}

// state says what became of an element.
type state uint8

const (
	absent state = iota
	filler       // there, but not from the document: a constant, a default, a derived value
	stored       // from the document
)

// filling says whether a lens may give fillers.
type filling uint8

const (
	noFill   filling = iota // every value comes from the document
	mayFill                 // some may not
	constant                // none does: it is always there and always the same
)

// member is one element of an object.
type member struct {
	elem    schema.Element
	lens    lens
	key     []byte // `"name":`
	missing []byte // what to write instead of a required element; of a choice, at its last variant
	before  []int  // the variants of the same choice that go first
	rule    *Rule
}

// object is an element with members: a resource, a backbone element, or a data
// type. Anything but a resource vanishes when none of its members comes from
// the document, unless all of them are constants.
type object struct {
	typ     string
	members []member
	root    bool
	filling filling
}

func (o *object) fill() filling {
	if o.filling == constant {
		return constant
	}
	return noFill
}

func (o *object) get(e *encoder, f *frame) state {
	e.buf = append(e.buf, '{')
	st := o.getMembers(e, f)
	if st == absent || st == filler && o.filling != constant {
		return absent
	}
	e.buf = append(e.buf, '}')
	return st
}

// getMembers writes the members, each behind a comma unless it is the first.
func (o *object) getMembers(e *encoder, f *frame) state {
	var there uint64 // members by position, for choices
	st := absent
	for i := range o.members {
		m := &o.members[i]
		if there&(1<<m.elem.Position) != 0 {
			continue
		}
		mark := len(e.buf)
		if e.buf[mark-1] != '{' {
			e.buf = append(e.buf, ',')
		}
		bare := len(e.buf)
		e.buf = append(e.buf, m.key...)
		start := len(e.buf)
		got := m.lens.get(e, f)
		e.mark(start, got, m.lens)
		switch {
		case got != absent:
			there |= 1 << m.elem.Position
			st = max(st, got)
		case m.missing != nil:
			e.buf = append(e.buf[:bare], m.missing...)
			e.mark(bare+bytes.IndexByte(m.missing, ':')+1, filler, m.lens)
		default:
			e.buf = e.buf[:mark]
		}
	}
	return st
}

func (o *object) has() (present, own cond) {
	if o.filling == constant {
		return always, never
	}
	var any []cond
	for i := range o.members {
		m := &o.members[i]
		_, c := m.lens.has()
		any = append(any, every(c, o.chosen(m)))
	}
	c := some(any...)
	return c, c
}

// chosen holds where no variant of the choice goes before m.
func (o *object) chosen(m *member) cond {
	var out []cond
	for _, i := range m.before {
		present, _ := o.members[i].lens.has()
		out = append(out, not(present))
	}
	return every(out...)
}

// list is an array of several rules: $list, $list1 and $slots.
type list struct {
	items []lens
	slots bool // each has its constants, so that the order does not tell them apart
}

func (l *list) fill() filling {
	fills, constants := false, true
	for _, item := range l.items {
		fills = fills || item.fill() != noFill
		constants = constants && item.fill() == constant
	}
	switch {
	case constants:
		return constant
	case fills:
		return mayFill
	}
	return noFill
}

func (l *list) get(e *encoder, f *frame) state {
	e.buf = append(e.buf, '[')
	st := absent
	for _, item := range l.items {
		if many, ok := item.(*repeated); ok {
			st = max(st, many.getItems(e, f))
			continue
		}
		mark := len(e.buf)
		if e.buf[mark-1] != '[' {
			e.buf = append(e.buf, ',')
		}
		start := len(e.buf)
		got := item.get(e, f)
		e.mark(start, got, item)
		if got == absent {
			e.buf = e.buf[:mark]
		}
		st = max(st, got)
	}
	e.buf = append(e.buf, ']')
	return st
}

func (l *list) has() (present, own cond) {
	var ps, os []cond
	for _, item := range l.items {
		p, o := item.has()
		ps, os = append(ps, p), append(os, o)
	}
	return some(ps...), some(os...)
}

// repeated is one rule for each element of an array ($each, $item).
type repeated struct {
	ref
	inner *scope
	item  lens
	at    *origin
}

func (r *repeated) fill() filling { return r.item.fill() }

func (r *repeated) get(e *encoder, f *frame) state {
	e.buf = append(e.buf, '[')
	st := r.getItems(e, f)
	e.buf = append(e.buf, ']')
	return st
}

func (r *repeated) getItems(e *encoder, f *frame) state {
	v := f.value(r.ref)
	if v.Type != bson.TypeArray {
		if v.Type != 0 {
			e.malformed(r.at)
		}
		return absent
	}
	st := absent
	eachElement(v.Value, func(v bson.RawValue) {
		n := len(r.inner.names)
		inner := frame{self: v, values: e.push(n)}
		if v.Type == bson.TypeEmbeddedDocument {
			r.inner.fill(v.Value, inner.values)
		}
		mark := len(e.buf)
		if e.buf[mark-1] != '[' {
			e.buf = append(e.buf, ',')
		}
		start := len(e.buf)
		got := r.item.get(e, &inner)
		e.mark(start, got, r.item)
		if got == absent {
			e.buf = e.buf[:mark]
		}
		st = max(st, got)
		e.pop(n)
	})
	return st
}

func (r *repeated) has() (present, own cond) {
	p, o := r.item.has()
	return r.in(p), r.in(o)
}

// in lifts a condition on an element to one on the document.
func (r *repeated) in(c cond) cond {
	if isNever(c) {
		return never
	}
	return every(exactly{r.parents()}, inside{r.path, c})
}

// derived is a rule that is only read: its value follows from what other rules
// write, so it does not make an object worth writing.
type derived struct{ lens }

func (d derived) fill() filling { return max(d.lens.fill(), mayFill) }

func (d derived) get(e *encoder, f *frame) state { return min(d.lens.get(e, f), filler) }

func (d derived) has() (present, own cond) {
	p, _ := d.lens.has()
	return p, never
}
