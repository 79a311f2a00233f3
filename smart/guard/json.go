package guard

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir/extent"
)

// members walks over the members of a JSON object, or the values of an array, that
// was found to be valid when it was stored. On other bytes it stops early, but never
// reads beyond their end.
type members struct {
	src []byte
	pos int // behind what was read

	start, end int    // of the current member, from its name to the end of its value
	name       []byte // of the current member, as it is written; nil in an array
	value      []byte
}

// inside gives the walk over an object or array; ok is false for other values.
func inside(src []byte) (m members, ok bool) {
	m = members{src: src, pos: extent.Space(src, 0)}
	ok = m.pos < len(src) && (src[m.pos] == '{' || src[m.pos] == '[')
	m.pos++
	return m, ok
}

// next goes to the next member.
func (m *members) next() bool {
	m.pos = extent.Space(m.src, m.pos)
	if m.pos < len(m.src) && m.src[m.pos] == ',' {
		m.pos = extent.Space(m.src, m.pos+1)
	}
	m.start, m.name = m.pos, nil
	end := extent.End(m.src, m.pos)
	if end == m.pos {
		return false
	}
	at := extent.Space(m.src, end)
	if m.src[m.pos] == '"' && at < len(m.src) && m.src[at] == ':' {
		m.name = m.src[m.pos+1 : end-1]
		m.pos = extent.Space(m.src, at+1)
		if end = extent.End(m.src, m.pos); end == m.pos {
			return false
		}
	}
	m.value = m.src[m.pos:end]
	m.pos, m.end = end, end
	return true
}

// is reports whether the current member has a name, which needs no escapes.
func (m *members) is(name string) bool {
	if string(m.name) == name {
		return true
	}
	if bytes.IndexByte(m.name, '\\') < 0 {
		return false
	}
	plain, err := jsontext.AppendUnquote(nil, m.src[m.start:m.start+len(m.name)+2])
	return err == nil && string(plain) == name
}

// member gives the value of an object's member, nil when there is none.
func member(src []byte, name string) []byte {
	m, ok := inside(src)
	for ok && m.next() {
		if m.is(name) {
			return m.value
		}
	}
	return nil
}

// text gives a JSON string's text; empty for other values.
func text(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	plain, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return ""
	}
	return string(plain)
}
