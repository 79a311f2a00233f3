package store

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// AppendKey appends a byte form of v that orders as Compare does: for any two
// values, comparing their keys byte by byte gives Compare's result, and equal
// values (1 and 1.0) have equal keys. With desc the order is reversed. A key
// ends by itself: keys appended one after another order as tuples, and no key
// is a prefix of another. A missing value has the key of undefined; index
// entries hold null for it, as Entries and Position do.
//
// The form is stable: a backend may store it.
func AppendKey(dst []byte, v Value, desc bool) []byte {
	start := len(dst)
	dst = appendKey(dst, v, maxDepth)
	if desc {
		for i := start; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}

func appendKey(dst []byte, v Value, depth int) []byte {
	v = sound(v)
	k := kindOf(v.Type)
	return appendPayload(append(dst, byte(k)), k, v, depth)
}

func appendPayload(dst []byte, k kind, v Value, depth int) []byte {
	b := v.Value
	switch k {
	case kindNumber:
		return appendNumber(dst, v)
	case kindString, kindCode:
		return appendEscaped(dst, text(b))
	case kindDocument:
		return appendElements(dst, b, true, depth-1)
	case kindArray:
		return appendElements(dst, b, false, depth-1)
	case kindBinary, kindPointer:
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(b)))
		if k == kindBinary {
			b = b[4:]
		}
		return append(dst, b...)
	case kindObjectID, kindBool, kindRegex:
		return append(dst, b...)
	case kindDate:
		return binary.BigEndian.AppendUint64(dst, binary.LittleEndian.Uint64(b)^1<<63)
	case kindTimestamp:
		return binary.BigEndian.AppendUint64(dst, binary.LittleEndian.Uint64(b))
	case kindCodeWithScope:
		dst = appendEscaped(dst, text(b[4:]))
		return appendElements(dst, b[4+size(bson.TypeString, b[4:]):], true, depth-1)
	}
	return dst
}

// appendEscaped writes NUL as 00 FF and ends with 00 00.
func appendEscaped(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, 0)
		if i < 0 {
			break
		}
		dst = append(dst, s[:i]...)
		dst = append(dst, 0, 0xFF)
		s = s[i+1:]
	}
	dst = append(dst, s...)
	return append(dst, 0, 0)
}

// appendElements writes kind, name and value of each element, as compareDocs
// compares them.
func appendElements(dst, doc []byte, names bool, depth int) []byte {
	if depth < 0 {
		return append(dst, byte(kindEnd))
	}
	elems := body(doc)
	for {
		name, v, rest, ok := next(elems)
		if !ok {
			return append(dst, byte(kindEnd))
		}
		k := kindOf(v.Type)
		dst = append(dst, byte(k))
		if names {
			dst = append(append(dst, name...), 0)
		}
		dst = appendPayload(dst, k, v, depth)
		elems = rest
	}
}

// appendNumber writes the greatest double that is not above the number, then
// 00 if that is the number, else 01 and the number in decimal. Only large
// int64s and most Decimal128s need the latter.
func appendNumber(dst []byte, v Value) []byte {
	if i, ok := integer(v); ok {
		f := float64(i)
		switch {
		case f < 1<<63 && int64(f) == i:
			return append(appendFloat(dst, f), 0)
		case f >= 1<<63 || int64(f) > i:
			f = math.Nextafter(f, math.Inf(-1))
		}
		return appendDigits(append(appendFloat(dst, f), 1), strconv.FormatInt(i, 10), 0)
	}
	if v.Type == bson.TypeDouble {
		return append(appendFloat(dst, float(v)), 0)
	}
	e := exactOf(v)
	if e.class != 0 {
		return append(appendFloat(dst, e.class), 0)
	}
	digits := e.coef.String()
	// ParseFloat rounds to the nearest; beyond the range it gives an infinity,
	// which Nextafter turns into the greatest finite double where that is below.
	f, _ := strconv.ParseFloat(digits+"e"+strconv.Itoa(e.exp), 64)
	c := 1
	if !math.IsInf(f, 0) {
		c = compareExact(exact{bits: f}, e)
	} else if f < 0 {
		c = -1
	}
	if c == 0 {
		return append(appendFloat(dst, f), 0)
	}
	if c > 0 {
		f = math.Nextafter(f, math.Inf(-1))
	}
	return appendDigits(append(appendFloat(dst, f), 1), digits, e.exp)
}

// appendFloat writes the bits such that they order as numbers; NaN is first.
func appendFloat(dst []byte, f float64) []byte {
	bits := math.Float64bits(f)
	switch {
	case math.IsNaN(f):
		bits = 0
	case f == 0:
		bits = 1 << 63
	case f < 0:
		bits = ^bits
	default:
		bits |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(dst, bits)
}

// appendDigits writes the non-zero number digits · 10^exp: the power of ten of
// its first digit, its digits without trailing zeros, an end; inverted when
// negative.
func appendDigits(dst []byte, digits string, exp int) []byte {
	digits, negative := strings.CutPrefix(digits, "-")
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(exp+len(digits)+1<<14))
	for _, d := range []byte(strings.TrimRight(digits, "0")) {
		dst = append(dst, d-'0'+1)
	}
	dst = append(dst, 0)
	if negative {
		for i := start; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}
