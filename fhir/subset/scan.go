package subset

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
	o.pos = space(o.src, 0)
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
	o.pos = space(o.src, o.pos)
	if o.pos < len(o.src) && o.src[o.pos] == ',' {
		o.pos = space(o.src, o.pos+1)
	}
	if o.pos < len(o.src) && o.src[o.pos] == '}' {
		return false
	}
	o.nameAt = o.pos
	o.nameEnd = value(o.src, o.pos)
	if o.nameEnd < o.nameAt+2 || o.src[o.nameAt] != '"' {
		o.bad = true
		return false
	}
	colon := space(o.src, o.nameEnd)
	if colon >= len(o.src) || o.src[colon] != ':' {
		o.bad = true
		return false
	}
	o.valueAt = space(o.src, colon+1)
	o.pos = value(o.src, o.valueAt)
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
	a.pos = space(a.src, a.pos)
	if a.pos < len(a.src) && a.src[a.pos] == ',' {
		a.pos = space(a.src, a.pos+1)
	}
	if a.pos < len(a.src) && a.src[a.pos] == ']' {
		return false
	}
	a.valueAt = a.pos
	a.pos = value(a.src, a.pos)
	a.bad = a.pos <= a.valueAt
	return !a.bad
}

func (a *array) value() []byte { return a.src[a.valueAt:a.pos] }

// space gives the position of the next byte that is not white space.
func space(src []byte, pos int) int {
	for pos < len(src) && (src[pos] == ' ' || src[pos] == '\n' || src[pos] == '\t' || src[pos] == '\r') {
		pos++
	}
	return pos
}

// value gives the position behind the value at pos, or pos when there is none.
func value(src []byte, pos int) int {
	if pos >= len(src) {
		return pos
	}
	switch src[pos] {
	case '"':
		return text(src, pos)
	case '{', '[':
		return nested(src, pos)
	case '}', ']', ',', ':':
		return pos
	}
	end := pos
	for end < len(src) {
		switch src[end] {
		case ' ', '\n', '\t', '\r', ',', '}', ']':
			return end
		}
		end++
	}
	return end
}

// text gives the position behind the string at pos.
func text(src []byte, pos int) int {
	for i := pos + 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return pos
}

// nested gives the position behind the object or array at pos.
func nested(src []byte, pos int) int {
	depth := 0
	for i := pos; i < len(src); {
		switch src[i] {
		case '"':
			end := text(src, i)
			if end == i {
				return pos
			}
			i = end
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return pos
}
