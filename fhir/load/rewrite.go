package load

import (
	"bytes"
	"context"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// rewrite replaces in the resource of u what refers to other entries of its Bundle, and
// conditional references. What cannot be resolved makes an *fhir.Error. Without anything
// to replace it gives the same bytes.
func (r *run) rewrite(ctx context.Context, u unit) ([]byte, error) {
	e := edit{raw: u.raw}
	var issues []fhir.Issue
	var fatal error
	values(u.raw, func(name []byte, start, end int) {
		switch {
		case string(name) == "reference":
			ref := unquote(u.raw[start:end])
			to, err := r.target(ctx, u.links, ref)
			switch {
			case err == nil:
				if to != ref {
					e.replace(start, end, quote(to))
				}
			case asIssues(err) != nil:
				issues = append(issues, asIssues(err)...)
			default:
				fatal = err
			}
		case len(u.links) == 0:
		case string(name) == "div":
			e.narrative(start, end, u.links)
		case isURI(name) && bytes.HasPrefix(u.raw[start+1:end], []byte("urn:")):
			if key, ok := u.links[unquote(u.raw[start:end])]; ok {
				e.replace(start, end, quote(key.String()))
			}
		}
	})
	switch {
	case fatal != nil:
		return nil, fatal
	case len(issues) > 0:
		return nil, &fhir.Error{Issues: issues}
	}
	return e.done(), nil
}

// target gives what a Reference.reference becomes.
func (r *run) target(ctx context.Context, where links, ref string) (string, error) {
	if where != nil {
		url, fragment, _ := strings.Cut(ref, "#")
		if key, ok := where[url]; ok && url != "" {
			if fragment != "" {
				return key.String() + "#" + fragment, nil
			}
			return key.String(), nil
		}
		if strings.HasPrefix(ref, "urn:uuid:") || strings.HasPrefix(ref, "urn:oid:") {
			return "", fhir.Errorf(fhir.CodeNotFound, "", "the reference %q is not the fullUrl of an entry that can be loaded", ref)
		}
	}
	if !isCondition(ref) {
		return ref, nil
	}
	key, found, err := r.conditions.resolve(ctx, ref)
	switch {
	case err != nil:
		return "", err
	case !found:
		return "", fhir.Errorf(fhir.CodeNotFound, "", "the reference %q is met by no resource", ref)
	}
	return key.String(), nil
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
func (e *edit) narrative(start, end int, where links) {
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
