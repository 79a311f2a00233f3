package schema

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// read returns the next value or member name, raw; nil when the run must stop.
func (r *run) read() []byte {
	if r.syntax != nil {
		return nil
	}
	raw, err := r.dec.ReadValue()
	if err != nil {
		r.broken(err)
		return nil
	}
	return raw
}

// name reads the name of a member; nil when the run must stop.
func (r *run) name() []byte {
	raw := r.read()
	if raw == nil {
		return nil
	}
	return r.text(raw)
}

// text returns what a raw JSON string says. It is valid until the next read.
func (r *run) text(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	// The decoder accepted raw, so unquoting cannot fail.
	r.scratch, _ = jsontext.AppendUnquote(r.scratch[:0], raw)
	return r.scratch
}

// skip passes over a value that cannot be judged.
func (r *run) skip() {
	if r.syntax != nil {
		return
	}
	if err := r.dec.SkipValue(); err != nil {
		r.broken(err)
	}
}

// peek returns the kind of the next token; 0 when the run must stop.
func (r *run) peek() jsontext.Kind {
	if r.syntax != nil {
		return 0
	}
	k := r.dec.PeekKind()
	if k == 0 || k == jsontext.KindInvalid {
		// ReadToken tells what PeekKind only hinted at.
		_, err := r.dec.ReadToken()
		r.broken(err)
		return 0
	}
	return k
}

// open reads the { or [ that peek announced. It reports false, and passes over
// the value, when that would nest too deep.
func (r *run) open() bool {
	if r.depth == r.maxDepth {
		r.issue(fhir.CodeStructure, "the content nests deeper than %d levels", r.maxDepth)
		r.skip()
		return false
	}
	if _, err := r.dec.ReadToken(); err != nil {
		r.broken(err)
		return false
	}
	r.depth++
	return true
}

// close reads the } or ] that peek announced.
func (r *run) close() bool {
	if r.syntax != nil {
		return false
	}
	if _, err := r.dec.ReadToken(); err != nil {
		r.broken(err)
		return false
	}
	r.depth--
	return true
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	default:
		return "null"
	}
}
