package schema

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// maxString is the most characters a string may have (R4 2.24.0.1, string).
const maxString = 1 << 20

// maxDecimal limits the digits of a decimal, and maxExponent its exponent: the
// specification asks for 18 digits, and a number that cannot be computed with
// is of no use.
const (
	maxDecimal  = 128
	maxExponent = 3 // digits
)

// primitive reads one value of a primitive type.
func (r *run) primitive(f *frame, fd *field, arg uint16) {
	raw := r.read()
	if raw == nil {
		return
	}
	got := jsontext.Value(raw).Kind()
	switch fd.kind {
	case kindBoolean:
		if got != 't' && got != 'f' {
			r.issue(fhir.CodeValue, "%s takes true or false, not %s", fd.name, kindName(got))
		}
	case kindInteger, kindUnsignedInt, kindPositiveInt, kindDecimal:
		if got != '0' {
			r.issue(fhir.CodeValue, "%s takes a number (%v), not %s", fd.name, fd.kind, kindName(got))
		} else if want := number(fd.kind, raw); want != "" {
			r.issue(fhir.CodeValue, "not a valid %v: %s was expected", fd.kind, want)
		}
	default:
		if got != '"' {
			r.issue(fhir.CodeValue, "%s takes a string (%v), not %s", fd.name, fd.kind, kindName(got))
			return
		}
		text := r.text(raw)
		if len(text) == 0 {
			r.issue(fhir.CodeValue, "the string is empty; leave %s out instead", fd.name)
			return
		}
		if f.isResource && fd.slot == slotID {
			f.id = string(text)
		}
		r.str(fd, text, arg)
	}
}

// str checks a primitive that JSON writes as a string.
func (r *run) str(fd *field, text []byte, arg uint16) {
	switch fd.kind {
	case kindString, kindMarkdown, kindReferenceString:
		if !r.characters(fd, text) {
			return
		}
		switch {
		case fd.kind == kindReferenceString:
			r.reference(text, arg)
		case fd.slot == slotID && !isURI(text):
			r.issue(fhir.CodeValue, "the id of an element has no white space (Element.id)")
		}
	case kindCode:
		r.code(fd, text)
	case kindXhtml:
		if why := narrative(text); why != "" {
			r.issue(fhir.CodeValue, "the narrative is not allowed XHTML: %s", why)
		}
	case kindCanonical:
		if text[0] == '#' {
			r.fragment(text[1:])
		}
		fallthrough
	default:
		if want := format(fd.kind, text); want != "" {
			r.issue(fhir.CodeValue, "not a valid %v: %s was expected", fd.kind, want)
		}
	}
}

// characters checks what a string may consist of.
func (r *run) characters(fd *field, text []byte) bool {
	if len(text) > maxString && utf8.RuneCount(text) > maxString {
		r.issue(fhir.CodeTooLong, "%s has more than %d characters, the most that a string may have", fd.name, maxString)
		return false
	}
	for _, c := range text {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			r.issue(fhir.CodeValue, "%s contains a control character; only tab, carriage return and line feed are allowed", fd.name)
			return false
		}
	}
	return true
}

// maxListed is how many codes of a value set an issue lists.
const maxListed = 12

func (r *run) code(fd *field, text []byte) {
	if !isCode(text) {
		r.issue(fhir.CodeValue, "not a valid code: a code has no white space at its ends and only single spaces within")
		return
	}
	if fd.arg == 0 {
		return
	}
	set := &valueSets[fd.arg-1]
	if set.has(text) || r.full() {
		return
	}
	if len(set.codes) > maxListed {
		r.issue(fhir.CodeCodeInvalid, "%s is not a code of %s", quote(text), set.url)
		return
	}
	r.issue(fhir.CodeCodeInvalid, "%s is not a code of %s: %s", quote(text), set.url, strings.Join(set.codes, ", "))
}

// number checks the text of a JSON number, and returns what was expected.
func number(k kind, text []byte) string {
	switch k {
	case kindDecimal:
		exponent := text[:0]
		if i := bytes.IndexAny(text, "eE"); i >= 0 {
			exponent = text[i+1:]
		}
		if len(text) > maxDecimal || len(bytes.TrimLeft(exponent, "+-0")) > maxExponent {
			return "a decimal that can be computed with"
		}
	case kindInteger:
		if !isInteger(text, true) {
			return "a whole number from -2147483648 to 2147483647"
		}
	case kindUnsignedInt:
		if !isInteger(text, false) {
			return "a whole number from 0 to 2147483647"
		}
	case kindPositiveInt:
		if !isInteger(text, false) || text[0] == '0' {
			return "a whole number from 1 to 2147483647"
		}
	}
	return ""
}

// isInteger checks a JSON number against R4's integers: 32 bits, and no "-0",
// fraction or exponent.
func isInteger(text []byte, signed bool) bool {
	limit := uint64(1<<31 - 1)
	if text[0] == '-' {
		if !signed || text[1] == '0' {
			return false
		}
		text, limit = text[1:], 1<<31
	}
	n := uint64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
		if n = n*10 + uint64(c-'0'); n > limit {
			return false
		}
	}
	return true
}

// format checks the other primitives, and returns what was expected.
func format(k kind, text []byte) string {
	switch k {
	case kindId:
		if !isID(text) {
			return "1 to 64 of A-Z a-z 0-9 - ."
		}
	case kindUri, kindUrl, kindCanonical:
		if !isURI(text) {
			return "a URI without white space"
		}
	case kindOid:
		if !isOID(text) {
			return "urn:oid: and a dotted number"
		}
	case kindUuid:
		if !isUUID(text) {
			return "urn:uuid: and a UUID in lower case"
		}
	case kindBase64Binary:
		if !isBase64(text) {
			return "base64"
		}
	case kindDate:
		if !isDate(text) {
			return "YYYY, YYYY-MM or YYYY-MM-DD, a day of the calendar,"
		}
	case kindDateTime:
		if !isDateTime(text) {
			return "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz, a day of the calendar,"
		}
	case kindInstant:
		if !isInstant(text) {
			return "YYYY-MM-DDThh:mm:ss+zz:zz, a day of the calendar,"
		}
	case kindTime:
		if !isTime(text) {
			return "hh:mm:ss"
		}
	}
	return ""
}
