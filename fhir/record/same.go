package record

import (
	"bytes"

	"github.com/portico-fhir/portico/fhir/extent"
)

// same reports whether two bodies say the same but for what the server owns.
// White space between tokens and the places of id and meta do not count, since
// clients that read, parse and write lose them; the order of other members does.
func same(a, b []byte) (bool, error) {
	if bytes.Equal(a, b) {
		return true, nil
	}
	ca, err := clientPart(a)
	if err != nil {
		return false, err
	}
	cb, err := clientPart(b)
	if err != nil {
		return false, err
	}
	return bytes.Equal(ca, cb), nil
}

// clientPart gives body without the stamp and without white space between
// tokens: the members of meta, then the others.
func clientPart(body []byte) ([]byte, error) {
	top, err := outline(body)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(body))
	if top.meta != (span{}) {
		out, err = appendMembers(out, body[:top.meta.end], top.meta.start, "versionId", "lastUpdated", "_versionId", "_lastUpdated")
		if err != nil {
			return nil, err
		}
	}
	return appendMembers(append(out, '\n'), body, 0, "id", "meta")
}

// appendMembers writes the members of the object at start, each with a comma,
// but for those called one of without.
func appendMembers(out, buf []byte, start int, without ...string) ([]byte, error) {
	s, err := scanObject(buf, start)
	if err != nil {
		return nil, err
	}
next:
	for {
		m, ok, err := s.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return out, nil
		}
		for _, name := range without {
			if s.is(m.name, name) {
				continue next
			}
		}
		out = append(out, buf[m.name.start:m.name.end]...)
		out = append(out, ':')
		out = appendCompact(out, buf[m.value.start:m.value.end])
		out = append(out, ',')
	}
}

// appendCompact writes a value without white space between its tokens.
func appendCompact(out, value []byte) []byte {
	for pos := extent.Space(value, 0); pos < len(value); pos = extent.Space(value, pos) {
		end := pos + 1
		if value[pos] == '"' {
			end = max(end, extent.End(value, pos))
		}
		out = append(out, value[pos:end]...)
		pos = end
	}
	return out
}
