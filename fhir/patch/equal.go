package patch

import (
	"bytes"

	"github.com/portico-fhir/portico/fhir/path"
)

// equal compares two JSON values as RFC 6902 4.6 has it: numbers by value,
// objects whatever the order of their members.
func equal(a, b []byte) bool {
	a, b = bytes.TrimSpace(a), bytes.TrimSpace(b)
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	switch kind := a[0]; {
	case kind == '"':
		return b[0] == '"' && unquote(a) == unquote(b)
	case kind == '{' && b[0] == '{':
		return equalObjects(a, b)
	case kind == '[' && b[0] == '[':
		return equalLists(a, b)
	case kind == '-' || kind >= '0' && kind <= '9':
		x, ok := path.ParseDecimal(string(a))
		y, also := path.ParseDecimal(string(b))
		return ok && also && x.Cmp(y) == 0
	}
	return false
}

func equalObjects(a, b []byte) bool {
	others := map[string][]byte{}
	for e := range entries(b) {
		others[unquote(e.name.of(b))] = e.value.of(b)
	}
	n := 0
	for e := range entries(a) {
		other, ok := others[unquote(e.name.of(a))]
		if !ok || !equal(e.value.of(a), other) {
			return false
		}
		n++
	}
	return n == len(others)
}

func equalLists(a, b []byte) bool {
	var others [][]byte
	for e := range entries(b) {
		others = append(others, e.value.of(b))
	}
	n := 0
	for e := range entries(a) {
		if n >= len(others) || !equal(e.value.of(a), others[n]) {
			return false
		}
		n++
	}
	return n == len(others)
}
