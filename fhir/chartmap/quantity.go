package chartmap

import (
	"math"
	"math/big"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// quantity is a number with a unit: a constant one, or the one in a field.
type quantity struct {
	decimal
	json     []byte // `,"unit":…,"system":…,"code":…`
	unit     string // as printed
	code     string // of UCUM
	unitFrom *ref
	accepts  []unit // $accept: other units, when written
}

const ucum = "http://unitsofmeasure.org"

func (q *quantity) get(e *encoder, f *frame) state {
	e.buf = append(e.buf, `{"value":`...)
	if st := q.decimal.get(e, f); st != stored {
		return st
	}
	e.buf = append(e.buf, q.json...)
	if q.unitFrom != nil {
		if s, ok := textOf(f.value(*q.unitFrom)); ok {
			e.buf = appendText(append(e.buf, `,"unit":`...), s)
		}
	}
	e.buf = append(e.buf, '}')
	return stored
}

func (q *quantity) search(s *seeker, path []step, t *test) cond {
	if t.kind == testPresent {
		return presence(q, s, path, t)
	}
	if !s.leaf(path, noFill) {
		return never
	}
	if t.kind == testSort {
		return q.decimal.sorted(s)
	}
	if t.kind != testQuantity || q.path == "" {
		return s.refuse()
	}
	return every(q.hasUnit(t.quantity), q.any(t.stretches))
}

// hasUnit compares units without converting (R4 3.1.1.4.11): [number]||code takes
// the code or what is printed.
func (q *quantity) hasUnit(want fhir.QuantityValue) cond {
	switch {
	case want.Code == "":
		return always
	case q.unitFrom != nil && want.System == "":
		return exactly{q.unitFrom.eq(store.String(want.Code))}
	case q.code != "" && q.code == want.Code && (want.System == "" || want.System == ucum),
		want.System == "" && q.unit == want.Code:
		return always
	}
	return never
}

// stretch is a condition on a number: that it lies between two ends, of which nil
// is open. The lower end belongs to it unless without, the upper one if through.
type stretch struct {
	low, high        *big.Rat
	without, through bool
}

// stretches says what a prefix asks of a number, as alternatives. Only eq and ne
// look at the precision of what is wanted (R4 3.1.1.4.6).
func stretches(p fhir.Prefix, want fhir.NumberValue) []stretch {
	n := want.Value
	switch p {
	case fhir.NE:
		return []stretch{{high: want.Low}, {low: want.High}}
	case fhir.GT, fhir.SA:
		return []stretch{{low: n, without: true}}
	case fhir.LT, fhir.EB:
		return []stretch{{high: n}}
	case fhir.GE:
		return []stretch{{low: n}}
	case fhir.LE:
		return []stretch{{high: n, through: true}}
	case fhir.AP:
		slack := new(big.Rat).Quo(new(big.Rat).Abs(n), big.NewRat(10, 1))
		return []stretch{{low: new(big.Rat).Sub(n, slack), high: new(big.Rat).Add(n, slack), through: true}}
	}
	return []stretch{{low: want.Low, high: want.High}}
}

func (s stretch) holds(n *big.Rat) bool {
	if s.low != nil {
		if c := n.Cmp(s.low); c < 0 || c == 0 && s.without {
			return false
		}
	}
	if s.high != nil {
		if c := n.Cmp(s.high); c > 0 || c == 0 && !s.through {
			return false
		}
	}
	return true
}

// any holds where the number that is written lies in one of the stretches.
func (d *decimal) any(stretches []stretch) cond {
	any := make([]cond, len(stretches))
	for i, st := range stretches {
		any[i] = d.within(st)
	}
	return some(any...)
}

// within holds where the number that is written lies in s. The store compares
// doubles by their exact value, which is not quite what is written (0.1 is a little
// more): next to the ends the documents are read.
func (d *decimal) within(s stretch) cond {
	test := func(doc store.Doc) bool {
		n, ok := amount(store.Lookup(doc, d.path))
		return ok && s.holds(n)
	}
	return bounded{roughly{d.span(s, -1), test}, d.span(s, 1)}
}

// span is the range of s with its ends moved a little: inward by 1, outward by -1.
func (d *decimal) span(s stretch, inward float64) store.Filter {
	low, high := -maxDecimal, maxDecimal
	if s.low != nil {
		low = moved(s.low, inward)
	}
	if s.high != nil {
		high = moved(s.high, -inward)
	}
	if low > high {
		return store.None()
	}
	return d.scalar(store.Range{
		Path: d.path, Low: &store.Bound{Value: store.V(low), Inclusive: true}, High: &store.Bound{Value: store.V(high), Inclusive: true},
	})
}

// moved gives a double that is more than the rounding of n away from n, upward or
// downward.
func moved(n *big.Rat, up float64) float64 {
	f, _ := n.Float64()
	to := math.Copysign(math.Inf(1), up)
	f = math.Nextafter(math.Nextafter(f, to), to)
	return min(max(f, -maxDecimal), maxDecimal)
}

// amount gives the number that appendDecimal writes, to compare it with what a
// client can write: of a decimal that is closer to zero only the sign matters.
func amount(v bson.RawValue) (*big.Rat, bool) {
	d, isDecimal := v.Decimal128OK()
	if !isDecimal {
		return rat(v)
	}
	if _, ok := appendDecimal(nil, v); !ok {
		return nil, false
	}
	coef, exp, err := d.BigInt()
	switch {
	case err != nil:
		return nil, false
	case coef.Sign() == 0:
		return new(big.Rat), true
	case exp < -maxExponent:
		coef, exp = big.NewInt(int64(coef.Sign())), -maxExponent
	}
	return decimalRat(coef, exp)
}
