package rest

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/subset"
)

// maxPairs bounds the parameters of one request before anything looks at them.
const maxPairs = 1000

// parseQuery decodes an application/x-www-form-urlencoded string. It keeps the
// order, and takes ";" for what it is.
func parseQuery(dst []search.Pair, raw string) ([]search.Pair, error) {
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		if len(dst) >= maxPairs {
			return nil, fhir.Errorf(fhir.CodeTooCostly, "http.query", "The request has more than %d parameters.", maxPairs)
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := unescape(name)
		if err != nil {
			return nil, err
		}
		value, err = unescape(value)
		if err != nil {
			return nil, err
		}
		dst = append(dst, search.Pair{Name: name, Value: value})
	}
	return dst, nil
}

func unescape(s string) (string, error) {
	u, err := url.QueryUnescape(s)
	if err != nil || !utf8.ValidString(u) {
		return "", fhir.Errorf(fhir.CodeInvalid, "http.query", "The parameters are not percent-encoded UTF-8.")
	}
	return u, nil
}

// present takes _format and _pretty out of the parameters.
func (r *request) present(params []search.Pair) error {
	kept := params[:0]
	var format, pretty string
	for _, p := range params {
		var seen *string
		switch p.Name {
		case "_format":
			seen = &format
		case "_pretty":
			seen = &pretty
		default:
			kept = append(kept, p)
			continue
		}
		if *seen != "" && *seen != p.Value {
			return fhir.Errorf(fhir.CodeInvalid, "http."+p.Name, "%s is given twice.", p.Name)
		}
		*seen = p.Value
		if err := r.presentation(p); err != nil {
			return err
		}
		r.shown = append(r.shown, p)
	}
	r.params = kept
	return nil
}

func (r *request) presentation(p search.Pair) error {
	if p.Name == "_format" {
		media, ok := parseFormat(p.Value)
		if !ok {
			return notAcceptable("http._format", "This server answers in JSON, FHIR version 4.0: _format must be json or %s.", mediaFHIR)
		}
		r.media = media
		return nil
	}
	if p.Value != "true" && p.Value != "false" {
		return fhir.Errorf(fhir.CodeInvalid, "http._pretty", "_pretty must be true or false.")
	}
	r.pretty = p.Value == "true"
	return nil
}

// shape takes _summary and _elements out of the parameters of what is not a
// search, and gives them for links. Types are those of the resources.
func (r *request) shape(types ...fhir.Type) (shape *subset.Shape, shown []search.Pair, err error) {
	if len(r.params) == 0 {
		return nil, nil, nil
	}
	wanted, rest, err := search.ReadShape(r.params)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range r.params {
		if p.Name == "_summary" || p.Name == "_elements" {
			shown = append(shown, p)
		}
	}
	r.params = rest
	shape, err = subset.New(subset.Mode(wanted.Summary), wanted.Elements, types...)
	return shape, shown, err
}

// noParams refuses parameters that the interaction does not take. Dropping
// them would answer another question than was asked.
func (r *request) noParams() error {
	for _, p := range r.params {
		if p.Name == "_summary" && p.Value == "false" {
			continue
		}
		return fhir.Errorf(fhir.CodeInvalid, "http.query", "The %s interaction takes no parameter %q.", r.event.Interaction, p.Name)
	}
	return nil
}

// appendLink writes base/path?params with every name and value percent-encoded.
func appendLink(dst []byte, base, path string, params ...[]search.Pair) []byte {
	dst = append(dst, base...)
	dst = append(dst, '/')
	dst = append(dst, path...)
	separator := byte('?')
	for _, pairs := range params {
		for _, p := range pairs {
			dst = append(dst, separator)
			dst = appendEscaped(dst, p.Name)
			dst = append(dst, '=')
			dst = appendEscaped(dst, p.Value)
			separator = '&'
		}
	}
	return dst
}

// appendEscaped percent-encodes all but unreserved characters and those that
// are common in FHIR searches and safe in a query (RFC 3986 3.4).
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/', c == ':', c == ',', c == '$':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
