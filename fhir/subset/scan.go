package subset

import "github.com/portico-fhir/portico/fhir/extent"

// object walks over the members of a JSON object. The JSON was validated when
// it was stored: this finds where things end, no more, but never reads beyond
// the end of src.
type object struct {
	src     []byte
	pos     int
	nameAt  int // of the current member: its name's opening quote,
	nameEnd int // the byte behind the closing one,
	valueAt int // and the value
	bad     bool
}

// open goes inside the object.
func (o *object) open() {
	o.pos = extent.Space(o.src, 0)
	if o.pos >= len(o.src) || o.src[o.pos] != '{' {
		o.bad = true
		return
	}
	o.pos++
}

// next goes to the next member.
func (o *object) next() bool {
	if o.bad {
		return false
	}
	o.pos = extent.Space(o.src, o.pos)
	if o.pos < len(o.src) && o.src[o.pos] == ',' {
		o.pos = extent.Space(o.src, o.pos+1)
	}
	if o.pos < len(o.src) && o.src[o.pos] == '}' {
		return false
	}
	o.nameAt = o.pos
	o.nameEnd = extent.End(o.src, o.pos)
	if o.nameEnd < o.nameAt+2 || o.src[o.nameAt] != '"' {
		o.bad = true
		return false
	}
	colon := extent.Space(o.src, o.nameEnd)
	if colon >= len(o.src) || o.src[colon] != ':' {
		o.bad = true
		return false
	}
	o.valueAt = extent.Space(o.src, colon+1)
	o.pos = extent.End(o.src, o.valueAt)
	o.bad = o.pos <= o.valueAt
	return !o.bad
}

// name gives the current member's name without its quotes.
func (o *object) name() []byte {
	name, ok := unquote(o.src[o.nameAt:o.nameEnd])
	o.bad = o.bad || !ok
	return name
}

// value gives the current member's value.
func (o *object) value() []byte { return o.src[o.valueAt:o.pos] }

// array walks over the values of a JSON array.
type array struct {
	src     []byte
	pos     int
	valueAt int
	bad     bool
}

func (a *array) next() bool {
	if a.pos == 0 {
		a.pos = 1
	}
	a.pos = extent.Space(a.src, a.pos)
	if a.pos < len(a.src) && a.src[a.pos] == ',' {
		a.pos = extent.Space(a.src, a.pos+1)
	}
	if a.pos < len(a.src) && a.src[a.pos] == ']' {
		return false
	}
	a.valueAt = a.pos
	a.pos = extent.End(a.src, a.pos)
	a.bad = a.pos <= a.valueAt
	return !a.bad
}

func (a *array) value() []byte { return a.src[a.valueAt:a.pos] }
