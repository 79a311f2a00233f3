package oauth

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxValue bounds one parameter. The longest that make sense are a list of scopes
// and a signed assertion.
const maxValue = 16 << 10

// Params are the parameters of a request, each there once at most.
type Params struct{ values url.Values }

// Once reads parameters. One that is there twice, is longer than any that makes
// sense, or is not UTF-8, is an *Error of InvalidRequest (RFC 6749 3.1 and 3.2). What
// it does not complain about can then be had by the same name all the same.
func Once(values url.Values) (Params, error) {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // so that the same request always gets the same answer
	kept := make(url.Values, len(values))
	var first error
	for _, name := range names {
		v := values[name]
		switch {
		case len(v) > 1:
			v, first = nil, orFirst(first, "The parameter %s is there more than once.", name)
		case len(v) == 1 && len(v[0]) > maxValue:
			v, first = nil, orFirst(first, "The parameter %s is longer than any that makes sense.", name)
		case len(v) == 1 && !utf8.ValidString(v[0]):
			v, first = nil, orFirst(first, "The parameter %s is not UTF-8.", name)
		}
		if v != nil {
			kept[name] = v
		}
	}
	return Params{kept}, first
}

func orFirst(first error, format, name string) error {
	if first != nil {
		return first
	}
	return Errorf(InvalidRequest, format, name)
}

// Get gives a parameter, "" when it is not there: one without a value counts as not
// there (RFC 6749 3.1).
func (p Params) Get(name string) string { return p.values.Get(name) }

// Basic reads an Authorization header of the scheme Basic: both parts are encoded as
// in a form before they are joined (RFC 6749 2.3.1). There is false for a header of
// another scheme, or none; the error is an *Error of InvalidClient.
func Basic(header string) (id, secret string, there bool, err error) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false, nil
	}
	bad := Errorf(InvalidClient, "The Authorization header is not: Basic, a space, and the base64 of client_id:client_secret, both encoded as in a form.")
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", "", true, bad
	}
	user, pass, ok := strings.Cut(string(plain), ":")
	if !ok {
		return "", "", true, bad
	}
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(pass)
	if err1 != nil || err2 != nil || id == "" || !utf8.ValidString(id) {
		return "", "", true, bad
	}
	return id, secret, true, nil
}

// With gives the same parameters with one more, or another value of it.
func (p Params) With(name, value string) Params {
	values := maps.Clone(p.values)
	if values == nil {
		values = make(url.Values)
	}
	values.Set(name, value)
	return Params{values}
}
