package chartmap

import (
	"bytes"
	"math/big"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// literal is a constant of a primitive type ($const).
type literal struct {
	typ   string
	json  []byte
	value string // its text without quotes
	vs    string // value set of a code
}

func (l *literal) fill() filling { return constant }

func (l *literal) get(e *encoder, _ *frame) state {
	e.buf = append(e.buf, l.json...)
	return filler
}

func (l *literal) has() (present, own cond) { return always, never }

// text is a string-like element.
type text struct {
	defaulted[string]
	typ    string
	strict bool // no white space (code, uri …)
	codes  []string
	vs     string
	at     *origin
}

const whitespace = " \t\n\r\f\v"

func (t *text) get(e *encoder, f *frame) state {
	v := f.value(t.ref)
	if v.Type == 0 {
		if t.absent == nil {
			return absent
		}
		e.buf = appendText(e.buf, []byte(*t.absent))
		return filler
	}
	s, ok := textOf(v)
	if !ok || t.strict && bytes.ContainsAny(s, whitespace) || t.codes != nil && !slices.Contains(t.codes, string(s)) {
		if v.Type == bson.TypeString && !ok {
			return absent // an empty string is how many say that there is nothing
		}
		return e.malformed(t.at)
	}
	e.buf = appendText(e.buf, s)
	return stored
}

func (t *text) has() (present, own cond) {
	own = exactly{t.valid()}
	return t.or(own, t.absent != nil), own
}

// valid holds where the stored value is written.
func (t *text) valid() store.Filter {
	if t.codes != nil {
		return t.in(values(t.codes))
	}
	f := t.ref.text()
	if t.strict {
		f = conjunction([]store.Filter{f, oneWord(t.path)})
	}
	return f
}

// oneWord holds where a string has no white space.
func oneWord(path string) store.Filter {
	var fs []store.Filter
	for _, c := range whitespace {
		fs = append(fs, store.Contains{Path: path, Value: string(c)})
	}
	return store.Not{Filter: store.Or(fs)}
}

func values(texts []string) []store.Value {
	out := make([]store.Value, len(texts))
	for i, s := range texts {
		out[i] = store.String(s)
	}
	return out
}

// equals holds where the element is exactly s.
func (t *text) equals(s string) cond {
	if s == "" || t.strict && !isOneWord(s) || t.codes != nil && !slices.Contains(t.codes, s) {
		return never
	}
	return t.or(exactly{t.eq(store.String(s))}, t.absent != nil && *t.absent == s)
}

func isOneWord(s string) bool { return !bytes.ContainsAny([]byte(s), whitespace) }

// boolean is true or false, possibly inverted ($as: not).
type boolean struct {
	defaulted[bool]
	not bool
	at  *origin
}

func (b *boolean) get(e *encoder, f *frame) state {
	v := f.value(b.ref)
	if v.Type == 0 {
		if b.absent == nil {
			return absent
		}
		e.buf = strconv.AppendBool(e.buf, *b.absent)
		return filler
	}
	is, ok := v.BooleanOK()
	if !ok {
		return e.malformed(b.at)
	}
	e.buf = strconv.AppendBool(e.buf, is != b.not)
	return stored
}

func (b *boolean) has() (present, own cond) {
	own = exactly{b.valid()}
	return b.or(own, b.absent != nil), own
}

// valid holds where the stored value is written.
func (b *boolean) valid() store.Filter { return b.in([]store.Value{store.V(true), store.V(false)}) }

func (b *boolean) equals(want bool) cond {
	return b.or(exactly{b.eq(store.V(want != b.not))}, b.absent != nil && *b.absent == want)
}

// integer is a whole number in a range.
type integer struct {
	ref
	low, high int64
	at        *origin
}

func (i *integer) fill() filling { return noFill }

func (i *integer) get(e *encoder, f *frame) state {
	v := f.value(i.ref)
	if v.Type == 0 {
		return absent
	}
	n, ok := whole(v)
	if !ok || n < i.low || n > i.high {
		return e.malformed(i.at)
	}
	e.buf = strconv.AppendInt(e.buf, n, 10)
	return stored
}

// has is exact but for fractions, which no filter tells from whole numbers.
func (i *integer) has() (present, own cond) {
	c := roughly{
		i.scalar(store.Range{
			Path: i.path, Low: &store.Bound{Value: store.V(i.low), Inclusive: true},
			High: &store.Bound{Value: store.V(i.high), Inclusive: true},
		}),
		func(doc store.Doc) bool {
			n, ok := whole(store.Lookup(doc, i.path))
			return ok && n >= i.low && n <= i.high
		},
	}
	return c, c
}

// decimal is a number, possibly converted by mul and add ($as: linear).
type decimal struct {
	ref
	mul, add *big.Rat // nil for none
	at       *origin
}

func (d *decimal) fill() filling { return noFill }

func (d *decimal) get(e *encoder, f *frame) state {
	v := f.value(d.ref)
	if v.Type == 0 {
		return absent
	}
	if d.mul == nil {
		buf, ok := appendDecimal(e.buf, v)
		if !ok {
			return e.malformed(d.at)
		}
		e.buf = buf
		return stored
	}
	r, ok := rat(v)
	if !ok {
		return e.malformed(d.at)
	}
	e.buf = appendRat(e.buf, r.Add(r.Mul(r, d.mul), d.add))
	return stored
}

func (d *decimal) has() (present, own cond) {
	c := exactly{d.ref.number()}
	if d.mul == nil {
		return c, c
	}
	rough := roughly{c.f, func(doc store.Doc) bool { _, ok := rat(store.Lookup(doc, d.path)); return ok }}
	return rough, rough
}

// number holds where the value is a number that can be written.
func (r ref) number() store.Filter {
	return r.scalar(store.Range{
		Path: r.path, Low: &store.Bound{Value: store.V(-maxDecimal), Inclusive: true},
		High: &store.Bound{Value: store.V(maxDecimal), Inclusive: true},
	})
}

// date is a date, dateTime or instant.
type date struct {
	moment
	at *origin
}

func (d *date) fill() filling { return noFill }

func (d *date) get(e *encoder, f *frame) state {
	v := f.value(d.ref)
	if v.Type == 0 {
		return absent
	}
	buf, ok := d.append(e.buf, v)
	if !ok {
		if v.Type == bson.TypeString && len(v.Value) == 5 {
			return absent
		}
		return e.malformed(d.at)
	}
	e.buf = buf
	return stored
}

func (d *date) has() (present, own cond) { c := d.present(); return c, c }

// ending is a date some minutes after another ($as: plusMinutes).
type ending struct {
	start   moment
	minutes ref
	at      *origin
}

const maxMinutes = 10 * 366 * 24 * 60

func (d *ending) fill() filling { return noFill }

func (d *ending) get(e *encoder, f *frame) state {
	from, plus := f.value(d.start.ref), f.value(d.minutes)
	if from.Type == 0 || plus.Type == 0 {
		return absent
	}
	t, ok := d.start.time(from)
	n, isWhole := whole(plus)
	if !ok || !isWhole || n < 0 || n > maxMinutes {
		return e.malformed(d.at)
	}
	end := store.V(t.Add(time.Duration(n) * time.Minute))
	buf, ok := d.start.append(e.buf, end)
	if !ok {
		return e.malformed(d.at)
	}
	e.buf = buf
	return stored
}

func (d *ending) has() (present, own cond) {
	c := roughly{d.start.span(nil, nil), func(doc store.Doc) bool {
		t, ok := d.start.time(store.Lookup(doc, d.start.path))
		n, isWhole := whole(store.Lookup(doc, d.minutes.path))
		if !ok || !isWhole || n < 0 || n > maxMinutes {
			return false
		}
		_, ok = d.start.time(store.V(t.Add(time.Duration(n) * time.Minute)))
		return ok
	}}
	return c, c
}

// link is the URL of a Binary resource ($as: binaryUrl).
type link struct {
	ref
	ids ids
	at  *origin
}

func (l *link) fill() filling { return noFill }

func (l *link) get(e *encoder, f *frame) state {
	v := f.value(l.ref)
	if v.Type == 0 {
		return absent
	}
	e.buf = append(e.buf, '"')
	if e.base != "" {
		e.buf = append(append(e.buf, e.base...), '/')
	}
	buf, ok := l.ids.append(append(e.buf, "Binary/"...), v, "")
	if !ok {
		return e.malformed(l.at)
	}
	e.buf = append(buf, '"')
	return stored
}

func (l *link) has() (present, own cond) { c := exactly{l.usable()}; return c, c }
