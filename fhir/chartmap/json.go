package chartmap

import (
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// appendText writes s as a JSON string. What FHIR does not allow in a string
// (control characters, R4 2.24.0.1) and what is no UTF-8 becomes U+FFFD.
func appendText(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		n, esc := 1, "\uFFFD"
		switch {
		case c == '"':
			esc = `\"`
		case c == '\\':
			esc = `\\`
		case c == '\n':
			esc = `\n`
		case c == '\r':
			esc = `\r`
		case c == '\t':
			esc = `\t`
		case c >= utf8.RuneSelf:
			var r rune
			if r, n = utf8.DecodeRune(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(append(dst, s[start:i]...), esc...)
		i += n
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// maxDecimal is the largest magnitude that is read as a number: beyond it most
// readers of JSON see an infinity.
const maxDecimal = math.MaxFloat64

// appendDecimal writes a number as text: doubles as the shortest text that
// reads back the same (0.1 is 0.1), decimals with their own digits.
func appendDecimal(dst []byte, v bson.RawValue) ([]byte, bool) {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		n, ok := whole(v)
		return strconv.AppendInt(dst, n, 10), ok
	case bson.TypeDouble:
		f, ok := v.DoubleOK()
		switch a := math.Abs(f); {
		case !ok || math.IsNaN(f) || a > maxDecimal:
			return dst, false
		case a == 0:
			return append(dst, '0'), true
		case a < 1e-6 || a >= 1e21:
			return strconv.AppendFloat(dst, f, 'e', -1, 64), true
		}
		return strconv.AppendFloat(dst, f, 'f', -1, 64), true
	case bson.TypeDecimal128:
		d, ok := v.Decimal128OK()
		if !ok || d.IsNaN() || d.IsInf() != 0 {
			return dst, false
		}
		text := d.String()
		if f, err := strconv.ParseFloat(text, 64); err != nil || math.IsInf(f, 0) {
			return dst, false
		}
		return append(dst, text...), true
	}
	return dst, false
}

// maxExponent bounds the work of exact arithmetic on decimals.
const maxExponent = 400

// decimalRat is coef · 10^exp.
func decimalRat(coef *big.Int, exp int) (*big.Rat, bool) {
	if exp > maxExponent || exp < -maxExponent {
		return nil, false
	}
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp < 0 {
		return new(big.Rat).SetFrac(coef, ten), true
	}
	return new(big.Rat).SetInt(ten.Mul(ten, coef)), true
}

// rat gives the number that appendDecimal writes.
func rat(v bson.RawValue) (*big.Rat, bool) {
	text, ok := appendDecimal(nil, v)
	if !ok {
		return nil, false
	}
	if d, isDecimal := v.Decimal128OK(); isDecimal {
		coef, exp, err := d.BigInt()
		if err != nil {
			return nil, false
		}
		return decimalRat(coef, exp)
	}
	return new(big.Rat).SetString(string(text))
}

// appendRat writes a number whose decimal text is finite; others are cut after
// 18 digits behind the point (R4 2.24.0.1, decimal).
func appendRat(dst []byte, r *big.Rat) []byte {
	digits, exact := r.FloatPrec()
	if !exact || digits > 18 {
		digits = 18
	}
	return append(dst, r.FloatString(digits)...)
}
