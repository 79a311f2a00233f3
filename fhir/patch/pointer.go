package patch

import (
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir/extent"
)

// pointer is a JSON Pointer (RFC 6901): its reference tokens, unescaped.
type pointer []string

// parsePointer reads a pointer; ok is false when it is malformed.
func parsePointer(s string) (p pointer, ok bool) {
	if s == "" {
		return nil, true
	}
	if s[0] != '/' {
		return nil, false
	}
	for token := range strings.SplitSeq(s[1:], "/") {
		for i := 0; i < len(token); i++ {
			if token[i] == '~' && (i+1 == len(token) || token[i+1] != '0' && token[i+1] != '1') {
				return nil, false
			}
		}
		token = strings.ReplaceAll(token, "~1", "/")
		p = append(p, strings.ReplaceAll(token, "~0", "~"))
	}
	return p, true
}

// startsWith reports whether p is below q.
func (p pointer) startsWith(q pointer) bool {
	if len(p) <= len(q) {
		return false
	}
	for i := range q {
		if p[i] != q[i] {
			return false
		}
	}
	return true
}

// locate finds the value that p points to.
func (p pointer) locate(doc []byte) (span, bool) {
	e, _, ok := p.locateEntry(doc)
	return e.value, ok
}

// locateEntry finds the value that p points to, with its name when it is a member
// of an object, and the container that it is in.
func (p pointer) locateEntry(doc []byte) (e entry, container span, ok bool) {
	start := extent.Space(doc, 0)
	e.value = span{start, extent.End(doc, start)}
	for _, token := range p {
		container = e.value
		inside, ok := child(container.of(doc), token)
		if !ok {
			return entry{}, container, false
		}
		e.value = span{container.start + inside.value.start, container.start + inside.value.end}
		e.name = span{container.start + inside.name.start, container.start + inside.name.end}
		if inside.name == (span{}) {
			e.name = span{}
		}
	}
	return e, container, true
}

// child finds the member or element that one token names.
func child(container []byte, token string) (entry, bool) {
	switch container[0] {
	case '{':
		return findEntry(container, token)
	case '[':
		n, ok := index(token)
		if !ok {
			return entry{}, false
		}
		for e := range entries(container) {
			if n == 0 {
				return e, true
			}
			n--
		}
	}
	return entry{}, false
}

// index reads an array index: digits without leading zeros (RFC 6901 4).
func index(token string) (int, bool) {
	if token == "" || len(token) > 9 || token[0] == '0' && len(token) > 1 {
		return 0, false
	}
	for i := range len(token) {
		if token[i] < '0' || token[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(token)
	return n, err == nil
}
