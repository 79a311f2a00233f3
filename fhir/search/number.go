package search

import (
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// cutPrefix takes a prefix off an ordered value; ok is false for letters that
// are none.
func cutPrefix(s string) (prefix fhir.Prefix, rest string, ok bool) {
	if len(s) < 3 || s[0] < 'a' || s[0] > 'z' {
		return fhir.EQ, s, true
	}
	p := fhir.Prefix(s[:2])
	all := []fhir.Prefix{fhir.EQ, fhir.NE, fhir.GT, fhir.LT, fhir.GE, fhir.LE, fhir.SA, fhir.EB, fhir.AP}
	return p, s[2:], slices.Contains(all, p)
}

const unknownPrefix = "Unknown prefix. Use eq, ne, gt, lt, ge, le, sa, eb or ap."

// numberValue reads [prefix]number (R4 3.1.1.4.6).
func numberValue(s string) (fhir.Prefix, fhir.Value, string) {
	prefix, s, ok := cutPrefix(s)
	if !ok {
		return "", nil, unknownPrefix
	}
	n, ok := Number(s)
	if !ok {
		return "", nil, "Not a number. Use digits with a point, as in 5.40, optionally with an exponent."
	}
	return prefix, n, ""
}

// quantityValue reads [prefix]number, [prefix]number|system|code or
// [prefix]number||code (R4 3.1.1.4.11).
func quantityValue(s string) (fhir.Prefix, fhir.Value, string) {
	parts := splitEscaped(s, '|')
	prefix, number, ok := cutPrefix(parts[0])
	if !ok {
		return "", nil, unknownPrefix
	}
	n, ok := Number(number)
	if !ok || len(parts) > 3 || len(parts) == 2 {
		return "", nil, "Not a quantity. It is written number, number|system|code or number||code."
	}
	q := fhir.QuantityValue{NumberValue: n}
	if len(parts) == 3 {
		q.System, q.Code = unescape(parts[1]), unescape(parts[2])
		if q.Code == "" {
			return "", nil, "The quantity has a system but no code."
		}
	}
	return prefix, q, ""
}

// Number reads a decimal with the span that its precision implies: half of its
// last digit to either side (R4 3.1.1.4.6).
func Number(s string) (fhir.NumberValue, bool) {
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(s), "e")
	digits := strings.TrimLeft(mantissa, "+-")
	if len(mantissa) > 60 || len(mantissa)-len(digits) > 1 || strings.Trim(digits, "0123456789.") != "" || strings.Count(digits, ".") > 1 ||
		digits == "" || strings.HasPrefix(digits, ".") || strings.HasSuffix(digits, ".") {
		return fhir.NumberValue{}, false
	}
	if hasExponent && (len(exponent) > 3 || strings.Trim(strings.TrimLeft(exponent, "+-"), "0123456789") != "" || exponent == "") {
		return fhir.NumberValue{}, false
	}
	value, ok := new(big.Rat).SetString(s)
	if !ok {
		return fhir.NumberValue{}, false
	}
	_, fraction, _ := strings.Cut(digits, ".")
	half, _ := new(big.Rat).SetString("0.5e-" + strconv.Itoa(len(fraction)))
	if hasExponent {
		scale, _ := new(big.Rat).SetString("1e" + exponent)
		half.Mul(half, scale)
		if len(digits) == 1 {
			half.Quo(half, big.NewRat(10, 1)) // 1e2 is [95, 105) in the table of R4 3.1.1.4.6
		}
	}
	return span(value, half), true
}

func span(value, half *big.Rat) fhir.NumberValue {
	return fhir.NumberValue{Value: value, Low: new(big.Rat).Sub(value, half), High: new(big.Rat).Add(value, half)}
}

// compositeValue reads a value for each component, between "$" (R4
// 3.1.1.4.15).
func (r *reader) compositeValue(param *fhir.SearchParam, s string) (fhir.Value, string) {
	parts := splitEscaped(s, '$')
	if len(parts) != len(param.Components) {
		return nil, "A composite is written with a value for each of its parts, separated by $."
	}
	terms := make(fhir.CompositeValue, len(parts))
	for i, c := range param.Components {
		own := Part(c)
		if own == nil {
			return nil, "A part of this parameter is not defined."
		}
		prefix, v, problem := r.value(own, "", "", parts[i])
		if problem != "" {
			return nil, problem
		}
		terms[i] = fhir.Term{Param: own, Prefix: prefix, Value: v}
	}
	return terms, ""
}
