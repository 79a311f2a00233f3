package record

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/portico-fhir/portico/fhir/extent"
)

// errMalformed says that a body is not a JSON object. Bodies are validated
// before they come here, so that this is a fault, not an answer to a client.
var errMalformed = errors.New("record: the body is not a JSON object")

// span is the part [start, end) of a body.
type span struct{ start, end int }

// scanner walks the members of one JSON object without decoding it. It relies
// on valid JSON for its answers to mean anything, on nothing for its safety.
type scanner struct {
	buf  []byte
	pos  int
	more bool // a member was read: the next one stands behind a comma
}

// member is one member of an object; both spans include the quotes of strings.
type member struct{ name, value span }

// scanObject starts at the object whose brace is the first byte of buf[pos:]
// that is not white space.
func scanObject(buf []byte, pos int) (scanner, error) {
	s := scanner{buf: buf, pos: pos}
	if s.skipSpace() != '{' {
		return scanner{}, errMalformed
	}
	s.pos++
	return s, nil
}

// next reads one member; ok is false behind the last one, and pos then stands
// on the closing brace.
func (s *scanner) next() (m member, ok bool, err error) {
	c := s.skipSpace()
	if c == '}' {
		return member{}, false, nil
	}
	if s.more {
		if c != ',' {
			return member{}, false, errMalformed
		}
		s.pos++
		c = s.skipSpace()
	}
	if c != '"' {
		return member{}, false, errMalformed
	}
	s.more = true
	m.name = s.value()
	if s.skipSpace() != ':' {
		return member{}, false, errMalformed
	}
	s.pos++
	s.skipSpace()
	m.value = s.value()
	if m.value.start == m.value.end {
		return member{}, false, errMalformed
	}
	return m, true, nil
}

// skipSpace moves to the next byte that is not white space and returns it, 0 at
// the end.
func (s *scanner) skipSpace() byte {
	if s.pos = extent.Space(s.buf, s.pos); s.pos < len(s.buf) {
		return s.buf[s.pos]
	}
	return 0
}

// value moves behind the value that starts at pos; where none does, the span is empty.
func (s *scanner) value() span {
	start := s.pos
	s.pos = extent.End(s.buf, start)
	return span{start, s.pos}
}

// is reports whether a member's name is want, however it is escaped.
func (s *scanner) is(name span, want string) bool {
	raw := s.buf[name.start:name.end]
	if len(raw) < 2 {
		return false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1:len(raw)-1]) == want
	}
	var plain string
	return json.Unmarshal(raw, &plain) == nil && plain == want
}
