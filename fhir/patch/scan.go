package patch

import (
	"bytes"
	"iter"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir/extent"
)

// These scans walk JSON text that has been found well-formed before.

// span is a part of a text.
type span struct{ start, end int }

func (s span) of(text []byte) []byte { return text[s.start:s.end] }

// entry is a member of an object, or an element of an array, which has no name.
type entry struct{ name, value span }

// entries yields the members of an object or the elements of an array in order.
func entries(text []byte) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		i := extent.Space(text, 0)
		if i >= len(text) || text[i] != '{' && text[i] != '[' {
			return
		}
		object := text[i] == '{'
		for i = extent.Space(text, i+1); i < len(text) && text[i] != '}' && text[i] != ']'; {
			var e entry
			if object {
				e.name = span{i, extent.End(text, i)}
				i = extent.Space(text, e.name.end)
				i = extent.Space(text, i+1) // the colon
			}
			e.value = span{i, extent.End(text, i)}
			if e.value.end <= e.value.start || !yield(e) {
				return
			}
			i = extent.Space(text, e.value.end)
			if i < len(text) && text[i] == ',' {
				i = extent.Space(text, i+1)
			}
		}
	}
}

// find gives the value of a member of an object.
func find(object []byte, name string) (span, bool) {
	e, ok := findEntry(object, name)
	return e.value, ok
}

func findEntry(object []byte, name string) (entry, bool) {
	for e := range entries(object) {
		if e.name.end > e.name.start && named(e.name.of(object), name) {
			return e, true
		}
	}
	return entry{}, false
}

// named compares a quoted name.
func named(quoted []byte, name string) bool {
	if len(quoted) == len(name)+2 && string(quoted[1:len(quoted)-1]) == name {
		return bytes.IndexByte(quoted, '\\') < 0
	}
	return bytes.IndexByte(quoted, '\\') >= 0 && unquote(quoted) == name
}

func unquote(quoted []byte) string {
	s, _ := jsontext.AppendUnquote(nil, quoted) // the text is well-formed
	return string(s)
}

func quote(s string) []byte {
	q, _ := jsontext.AppendQuote(nil, s) // it fails on invalid UTF-8 only, and still quotes
	return q
}

// insertMember adds a member at the end of an object.
func insertMember(object []byte, name string, value []byte) []byte {
	last := -1
	for e := range entries(object) {
		last = e.value.end
	}
	text := append(append(quote(name), ':'), value...)
	if last < 0 {
		at := extent.Space(object, 0) + 1
		return splice(object, span{at, at}, text)
	}
	return splice(object, span{last, last}, append([]byte{','}, text...))
}

// removeEntry takes out what starts at at (a member with its name, an element) with
// one comma.
func removeEntry(container []byte, at span) []byte {
	if next := extent.Space(container, at.end); next < len(container) && container[next] == ',' {
		return splice(container, span{at.start, extent.Space(container, next+1)}, nil)
	}
	start := at.start
	for start > 0 && (container[start-1] == ' ' || container[start-1] == '\n' || container[start-1] == '\r' || container[start-1] == '\t') {
		start--
	}
	if start > 0 && container[start-1] == ',' {
		return splice(container, span{start - 1, at.end}, nil)
	}
	return splice(container, at, nil)
}
