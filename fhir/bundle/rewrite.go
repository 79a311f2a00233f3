package bundle

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// Links are the fullUrls of a Bundle and the keys that they become.
type Links map[string]fhir.Key

// Rewrite replaces in the text of a resource what refers to other entries of its
// Bundle: each Reference.reference becomes what target gives for it; a urn of links
// is also replaced in elements of type uri, url, oid and uuid, and in the links and
// images of narratives. Without anything to replace it gives the same bytes. The error is
// the first of target.
func Rewrite(raw []byte, links Links, target func(ref string) (string, error)) ([]byte, error) {
	e := edit{raw: raw}
	var failed error
	values(raw, func(name []byte, start, end int) {
		switch {
		case failed != nil:
		case string(name) == "reference":
			ref := unquote(raw[start:end])
			to, err := target(ref)
			switch {
			case err != nil:
				failed = err
			case to != ref:
				e.replace(start, end, quote(to))
			}
		case len(links) == 0:
		case string(name) == "div":
			e.narrative(start, end, links)
		case isURI(name) && bytes.HasPrefix(raw[start+1:end], []byte("urn:")):
			if key, ok := links[unquote(raw[start:end])]; ok {
				e.replace(start, end, quote(key.String()))
			}
		}
	})
	if failed != nil {
		return nil, failed
	}
	return e.done(), nil
}

// References calls each for every Reference.reference in the text of a resource.
func References(raw []byte, each func(ref string)) {
	values(raw, func(name []byte, start, end int) {
		if string(name) == "reference" {
			each(unquote(raw[start:end]))
		}
	})
}

// isURI tells by its name whether a member is of type uri, url, oid or uuid, other than the
// url of an extension, which no urn of an entry can be.
func isURI(name []byte) bool {
	switch string(name) {
	case "url", "uri":
		return true
	}
	for _, end := range []string{"Uri", "Url", "Oid", "Uuid"} {
		if bytes.HasSuffix(name, []byte(end)) {
			return true
		}
	}
	return false
}

func quote(s string) []byte {
	q, _ := jsontext.AppendQuote(nil, s) // it fails on invalid UTF-8 only, and still quotes
	return q
}

// edit is a text with parts replaced, from left to right.
type edit struct {
	raw  []byte
	out  []byte
	from int // raw up to here is in out
}

func (e *edit) replace(start, end int, by []byte) {
	if e.out == nil {
		e.out = make([]byte, 0, len(e.raw))
	}
	e.out = append(append(e.out, e.raw[e.from:start]...), by...)
	e.from = end
}

func (e *edit) done() []byte {
	if e.out == nil {
		return e.raw
	}
	return append(e.out, e.raw[e.from:]...)
}

// narrative replaces the urns in links and images of the XHTML in the JSON string at
// [start, end).
func (e *edit) narrative(start, end int, where Links) {
	for i := start; i < end; {
		j := bytes.Index(e.raw[i:end], []byte("urn:"))
		if j < 0 {
			return
		}
		i += j
		before, mark := cutMark(e.raw[start:i])
		n := bytes.IndexAny(e.raw[i:end], `"'\<> `)
		if mark && n > 0 && (bytes.HasSuffix(before, []byte("href=")) || bytes.HasSuffix(before, []byte("src="))) {
			if key, ok := where[string(e.raw[i:i+n])]; ok {
				e.replace(i, i+n, []byte(key.String()))
			}
		}
		i += max(n, 1)
	}
}

// cutMark cuts the quotation mark at the end of the raw text of a JSON string.
func cutMark(s []byte) ([]byte, bool) {
	if before, ok := bytes.CutSuffix(s, []byte(`\"`)); ok {
		return before, true
	}
	return bytes.CutSuffix(s, []byte("'"))
}

// values calls each for every string that is a value, quotes included, with the
// name of the member that it is, or is in a list of. The text is JSON.
func values(raw []byte, each func(name []byte, start, end int)) {
	var name []byte
	for i := 0; i < len(raw); {
		j := bytes.IndexByte(raw[i:], '"')
		if j < 0 {
			return
		}
		start := i + j
		end := stringEnd(raw, start)
		if bytes.IndexByte(raw[i:start], '}') >= 0 {
			name = nil // of a member of the object that ends here
		}
		k := end
		for k < len(raw) && (raw[k] == ' ' || raw[k] == '\n' || raw[k] == '\r' || raw[k] == '\t') {
			k++
		}
		if k < len(raw) && raw[k] == ':' {
			name = raw[start+1 : end-1]
			i = k + 1
			continue
		}
		if end-start >= 2 {
			each(name, start, end)
		}
		i = end
	}
}

// stringEnd gives the position behind the string that starts at raw[start].
func stringEnd(raw []byte, start int) int {
	for i := start + 1; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

func unquote(quoted []byte) string {
	s, _ := jsontext.AppendUnquote(nil, quoted) // the text is JSON
	return string(s)
}
