package load

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// These scans find places in JSON without reading it: on text that is no JSON
// they find something or nothing, and the validator says what is wrong with it.

// stringEnd gives the position behind the string that starts at raw[start].
func stringEnd(raw []byte, start int) int {
	for i := start + 1; i < len(raw); i++ {
		j := bytes.IndexByte(raw[i:], '"')
		if j < 0 {
			return len(raw)
		}
		i += j
		slashes := 0
		for raw[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
	return len(raw)
}

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\r' || raw[i] == '\t') {
		i++
	}
	return i
}

// member finds the value of a member of the object that raw is, as a span; ok is false
// when there is none.
func member(raw []byte, name string) (start, end int, ok bool) {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := stringEnd(raw, i)
			k := skipSpace(raw, end)
			if depth == 1 && k < len(raw) && raw[k] == ':' && end-i-2 == len(name) && string(raw[i+1:end-1]) == name {
				k = skipSpace(raw, k+1)
				return k, valueEnd(raw, k), true
			}
			i = end - 1
		}
	}
	return 0, 0, false
}

// valueEnd gives the position behind the value that starts at raw[start].
func valueEnd(raw []byte, start int) int {
	depth := 0
	for i := start; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = stringEnd(raw, i) - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1
			}
			if depth < 0 {
				return i
			}
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
		}
	}
	return len(raw)
}

// complete reports whether the braces and brackets of raw close at its end.
func complete(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 1 && (raw[0] == '{' || raw[0] == '[') && closed(raw)
}

func closed(raw []byte) bool {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = stringEnd(raw, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
	}
	last := raw[len(raw)-1]
	return depth == 0 && (last == '}' || last == ']')
}

// text gives the member of an object when it is a string.
func text(raw []byte, name string) string {
	start, end, ok := member(raw, name)
	if !ok || start >= end || raw[start] != '"' {
		return ""
	}
	return unquote(raw[start:end])
}

// unquote reads a JSON string with its quotes; of one that is malformed it gives
// what can be read.
func unquote(quoted []byte) string {
	if len(quoted) < 2 {
		return ""
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	s, _ := jsontext.AppendUnquote(nil, quoted) // the validator refuses what is malformed
	return string(s)
}
