package chartmap

import (
	"bytes"
	"encoding/base32"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// ids turns the keys of documents into logical ids and back. What is usual
// stays as it is: an ObjectId is its 24 hexadecimal digits, a whole number its
// decimal digits, a string of letters, digits, "-" and "." itself. Everything
// else, and every string that could be taken for something else, is written
// behind a "-", with which no other id begins:
//
//	-n5        the number -5
//	-sa.20b    the string "a b": all but letters and digits as "." and two hexadecimal digits
//	-b…        any other value: its type and bytes in base 32
//
// A fan-out resource adds "-" and its suffix; one made of an element of an array
// adds before that "-", the suffix of its array, "-" and the key of the element, in
// which escapes stand behind a "." and no "-" occurs. A string that ends like that is
// escaped, too, so two keys never give the same id.
type ids struct {
	suffixes map[string]bool // of all fan-out branches of the resource type
	arrays   map[string]bool // suffixes of the arrays whose elements are resources of the type
}

// ident is what an id stands for.
type ident struct {
	key    store.Value // of the document, or of the group
	array  string      // suffix of the array; empty when it is no element's
	elem   store.Value // key, or position, of the element
	suffix string      // of the fan-out
}

var base = base32.HexEncoding.WithPadding(base32.NoPadding)

const maxID = 64 // R4 2.24.0.1, id

// append writes the id of key and suffix to dst. It is not ok where the key
// cannot be an id: null, an array, a document, NaN, or longer than an id may be.
func (c ids) append(dst []byte, key store.Value, suffix string) ([]byte, bool) {
	return c.appendIdent(dst, ident{key: key, suffix: suffix})
}

// appendIdent is append for an id of any kind.
func (c ids) appendIdent(dst []byte, id ident) ([]byte, bool) {
	start := len(dst)
	dst, ok := appendKey(dst, id.key, '-', c.plain)
	if ok && id.array != "" {
		dst = append(append(append(dst, '-'), id.array...), '-')
		dst, ok = appendKey(dst, id.elem, '.', c.plainElement)
	}
	if !ok {
		return dst[:start], false
	}
	if id.suffix != "" {
		dst = append(append(dst, '-'), id.suffix...)
	}
	if len(dst)-start > maxID {
		return dst[:start], false
	}
	return dst, true
}

// appendKey writes a key. Escapes stand behind mark.
func appendKey(dst []byte, key store.Value, mark byte, plain func([]byte) bool) ([]byte, bool) {
	switch key.Type {
	case bson.TypeObjectID:
		return hex.AppendEncode(dst, key.Value), len(key.Value) == 12
	case bson.TypeString, bson.TypeSymbol:
		s, ok := textOf(key)
		if !ok {
			return dst, false
		}
		if plain(s) {
			return append(dst, s...), true
		}
		return appendEscaped(append(dst, mark, 's'), s), true
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		if n, ok := whole(key); ok {
			if n < 0 {
				dst = append(dst, mark, 'n')
				return strconv.AppendUint(dst, -uint64(n), 10), true
			}
			return strconv.AppendInt(dst, n, 10), true
		}
		if isNaN(key) {
			return dst, false
		}
	case 0, bson.TypeNull, bson.TypeUndefined, bson.TypeArray, bson.TypeEmbeddedDocument:
		return dst, false
	}
	if len(key.Value) > maxID {
		return dst, false
	}
	raw := append([]byte{byte(key.Type)}, key.Value...)
	return append(append(dst, mark, 'b'), strings.ToLower(base.EncodeToString(raw))...), true
}

// plain reports whether a string can be an id as it is.
func (c ids) plain(s []byte) bool {
	if !fhir.ValidID(string(s)) || s[0] == '-' || s[0] == '.' || isDecimal(s) || isHex24(s) {
		return false
	}
	_, array, _, suffix := c.cut(string(s))
	return suffix == "" && array == ""
}

// plainElement reports whether a string can be the key of an element as it is.
func (c ids) plainElement(s []byte) bool {
	return fhir.ValidID(string(s)) && bytes.IndexByte(s, '-') < 0 && s[0] != '.' && !isDecimal(s) && !isHex24(s) && !c.suffixes[string(s)]
}

// cut splits the suffix of a fan-out, and the key of an element with the suffix of its
// array, off an id.
func (c ids) cut(id string) (key, array, elem, suffix string) {
	key = id
	if i := strings.LastIndexByte(key, '-'); i > 0 && c.suffixes[key[i+1:]] {
		key, suffix = key[:i], key[i+1:]
	}
	if j := strings.LastIndexByte(key, '-'); j > 0 {
		if i := strings.LastIndexByte(key[:j], '-'); i > 0 && c.arrays[key[i+1:j]] {
			key, array, elem = key[:i], key[i+1:j], key[j+1:]
		}
	}
	return key, array, elem, suffix
}

// parse gives the key and the suffix that an id stands for. It is not ok for
// what append never writes.
func (c ids) parse(id string) (key store.Value, suffix string, ok bool) {
	what, ok := c.parseIdent(id)
	if !ok || what.array != "" {
		return store.Value{}, "", false
	}
	return what.key, what.suffix, true
}

// parseIdent is parse for an id of any kind.
func (c ids) parseIdent(id string) (what ident, ok bool) {
	if !fhir.ValidID(id) {
		return ident{}, false
	}
	key, array, elem, suffix := c.cut(id)
	what = ident{array: array, suffix: suffix}
	if what.key, ok = parseKey(key, "-"); ok && array != "" {
		what.elem, ok = parseKey(elem, ".")
	}
	if !ok {
		return ident{}, false
	}
	back, ok := c.appendIdent(make([]byte, 0, maxID), what)
	return what, ok && string(back) == id
}

// parseKey reads what appendKey wrote.
func parseKey(s, mark string) (store.Value, bool) {
	switch {
	case strings.HasPrefix(s, mark+"s"):
		text, ok := unescape(s[2:])
		return store.String(text), ok
	case strings.HasPrefix(s, mark+"n"):
		n, err := strconv.ParseUint(s[2:], 10, 64)
		return store.V(-int64(n)), err == nil && n <= 1<<63
	case strings.HasPrefix(s, mark+"b"):
		raw, err := base.DecodeString(strings.ToUpper(s[2:]))
		if err != nil || len(raw) == 0 {
			return store.Value{}, false
		}
		v := store.Value{Type: bson.Type(raw[0]), Value: raw[1:]}
		return v, v.Validate() == nil
	case isDecimal([]byte(s)):
		n, err := strconv.ParseInt(s, 10, 64)
		return store.V(n), err == nil
	case isHex24([]byte(s)):
		oid, err := bson.ObjectIDFromHex(s)
		return store.V(oid), err == nil
	}
	return store.String(s), true
}

func appendEscaped(dst, s []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range s {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '.', digits[c>>4], digits[c&15])
	}
	return dst
}

func unescape(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '.' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), b.Len() > 0
}

// isDecimal reports whether s is how a whole number ≥ 0 is written.
func isDecimal(s []byte) bool {
	if len(s) > 1 && s[0] == '0' || len(s) > 19 {
		return false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	_, err := strconv.ParseInt(string(s), 10, 64)
	return err == nil
}

// isHex24 reports whether s is how an ObjectId is written.
func isHex24(s []byte) bool {
	if len(s) != 24 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// whole gives a number without a fraction that fits an int64.
func whole(v bson.RawValue) (int64, bool) {
	switch v.Type {
	case bson.TypeInt32:
		n, ok := v.Int32OK()
		return int64(n), ok
	case bson.TypeInt64:
		return v.Int64OK()
	case bson.TypeDouble:
		f, ok := v.DoubleOK()
		return int64(f), ok && f == math.Trunc(f) && f >= -1<<63 && f < 1<<63
	case bson.TypeDecimal128:
		d, ok := v.Decimal128OK()
		if !ok || d.IsNaN() || d.IsInf() != 0 {
			return 0, false
		}
		coef, exp, err := d.BigInt()
		if err != nil || exp < -34 || exp > 19 {
			return 0, false
		}
		r, ok := decimalRat(coef, exp)
		if !ok || !r.IsInt() || !r.Num().IsInt64() {
			return 0, false
		}
		return r.Num().Int64(), true
	}
	return 0, false
}

func isNaN(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeDouble:
		f, ok := v.DoubleOK()
		return !ok || math.IsNaN(f)
	case bson.TypeDecimal128:
		d, ok := v.Decimal128OK()
		return !ok || d.IsNaN()
	}
	return false
}

// usable holds where the value at r can be an id, but for its length.
func (r ref) usable() store.Filter {
	bad := store.Or{
		store.In{Path: r.path, Values: []store.Value{store.Null(), store.String(""), store.V(math.NaN()), store.V(bson.A{})}},
		store.Range{Path: r.path, Low: &store.Bound{Value: store.V(bson.D{}), Inclusive: true}},
	}
	if r.path == "_id" { // is never an array
		return store.Not{Filter: bad}
	}
	return r.scalar(store.Not{Filter: bad})
}
