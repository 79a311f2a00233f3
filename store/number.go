package store

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/big"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// integer gives the value of an int32 or int64.
func integer(v Value) (int64, bool) {
	switch v.Type {
	case bson.TypeInt32:
		return int64(int32(binary.LittleEndian.Uint32(v.Value))), true
	case bson.TypeInt64:
		return int64(binary.LittleEndian.Uint64(v.Value)), true
	}
	return 0, false
}

func float(v Value) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(v.Value))
}

func decimal(v Value) bson.Decimal128 {
	return bson.NewDecimal128(binary.LittleEndian.Uint64(v.Value[8:]), binary.LittleEndian.Uint64(v.Value))
}

// isNaN reports whether a sound value is the double or decimal NaN.
func isNaN(v Value) bool {
	switch v.Type {
	case bson.TypeDouble:
		return math.IsNaN(float(v))
	case bson.TypeDecimal128:
		return decimal(v).IsNaN()
	}
	return false
}

// compareNumbers compares two sound numbers exactly.
func compareNumbers(a, b Value) int {
	if a.Type == bson.TypeDecimal128 || b.Type == bson.TypeDecimal128 {
		return compareExact(exactOf(a), exactOf(b))
	}
	i, aInt := integer(a)
	j, bInt := integer(b)
	switch {
	case aInt && bInt:
		return cmp.Compare(i, j)
	case aInt:
		return compareIntFloat(i, float(b))
	case bInt:
		return -compareIntFloat(j, float(a))
	}
	return cmp.Compare(float(a), float(b)) // has NaN first, and -0 equal to 0
}

// compareIntFloat compares without rounding either.
func compareIntFloat(i int64, f float64) int {
	switch {
	case math.IsNaN(f) || f < -1<<63:
		return 1
	case f >= 1<<63:
		return -1
	}
	whole := math.Trunc(f)
	if c := cmp.Compare(i, int64(whole)); c != 0 {
		return c
	}
	return cmp.Compare(whole, f)
}

// exact is a number of any type: coef · 10^exp, or, where class is not zero,
// NaN, an infinity or a double.
type exact struct {
	class float64 // NaN or ±Inf
	coef  *big.Int
	exp   int
	bits  float64 // a finite double, where coef is nil
}

func exactOf(v Value) exact {
	if i, ok := integer(v); ok {
		return exact{coef: big.NewInt(i)}
	}
	if v.Type == bson.TypeDouble {
		f := float(v)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return exact{class: f}
		}
		return exact{bits: f}
	}
	d := decimal(v)
	if d.IsNaN() {
		return exact{class: math.NaN()}
	}
	if s := d.IsInf(); s != 0 {
		return exact{class: math.Inf(s)}
	}
	coef, exp, err := d.BigInt()
	if err != nil {
		return exact{class: math.NaN()} // cannot be: neither NaN nor infinite
	}
	return exact{coef: coef, exp: exp}
}

// rat gives a finite number as a fraction. The exponent of a Decimal128 bounds
// it to some 20,000 bits.
func (e exact) rat() *big.Rat {
	if e.coef == nil {
		return new(big.Rat).SetFloat64(e.bits)
	}
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(e.exp, -e.exp))), nil)
	if e.exp < 0 {
		return new(big.Rat).SetFrac(e.coef, ten)
	}
	return new(big.Rat).SetInt(ten.Mul(ten, e.coef))
}

func compareExact(a, b exact) int {
	if a.class != 0 || b.class != 0 {
		// A finite number counts as zero among NaN and the infinities.
		return cmp.Compare(a.class, b.class)
	}
	return a.rat().Cmp(b.rat())
}
