package chartmap_test

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
)

// amount is a Quantity as its JSON says.
type amount struct {
	Value              json.Number
	Unit, System, Code string
	number             *big.Rat
}

func (o *oracle) quantity(f found) amount {
	var a amount
	if _, isNumber := f.json.(float64); isNumber {
		a.Value = json.Number(f.raw)
	} else if err := json.Unmarshal(f.raw, &a); err != nil {
		o.t.Fatal(err)
	}
	n, ok := new(big.Rat).SetString(string(a.Value))
	if !ok {
		o.t.Fatalf("a mapped resource has the number %q", a.Value)
	}
	a.number = n
	return a
}

// satisfies is R4 3.1.1.4.11, word by word.
func (a amount) satisfies(p fhir.Prefix, v fhir.QuantityValue) bool {
	switch {
	case v.Code == "":
	case v.System == "" && a.Code != v.Code && a.Unit != v.Code:
		return false
	case v.System != "" && (a.Code != v.Code || a.System != v.System):
		return false
	}
	c := a.number.Cmp(v.Value)
	near := a.number.Cmp(v.Low) >= 0 && a.number.Cmp(v.High) < 0
	switch p {
	case fhir.NE:
		return !near
	case fhir.GT, fhir.SA:
		return c > 0
	case fhir.LT, fhir.EB:
		return c < 0
	case fhir.GE:
		return c >= 0
	case fhir.LE:
		return c <= 0
	case fhir.AP:
		tenth := new(big.Rat).Mul(new(big.Rat).Abs(v.Value), big.NewRat(1, 10))
		return new(big.Rat).Abs(new(big.Rat).Sub(a.number, v.Value)).Cmp(tenth) <= 0
	}
	return near
}

// written is a number as a client writes it, with the span that its digits imply.
func written(s string) (fhir.NumberValue, bool) {
	n, ok := new(big.Rat).SetString(s)
	if !ok {
		return fhir.NumberValue{}, false
	}
	_, digits, _ := strings.Cut(s, ".")
	half := big.NewRat(1, 2)
	for range len(digits) {
		half.Mul(half, big.NewRat(1, 10))
	}
	return fhir.NumberValue{Value: n, Low: new(big.Rat).Sub(n, half), High: new(big.Rat).Add(n, half)}, true
}

func (o *oracle) drawQuantity(rt *rapid.T, f found) (fhir.Prefix, fhir.QuantityValue) {
	text := rapid.SampledFrom([]string{"0", "5.4", "-1", "120", "0.1", "37.0", "1000000000000000000000000000000000000"}).Draw(rt, "number")
	var a amount
	if f.raw != nil {
		a = o.quantity(f)
		digits := rapid.IntRange(0, 3).Draw(rt, "digits")
		if known := rapid.IntRange(0, 3).Draw(rt, "known"); known > 1 && !strings.ContainsAny(string(a.Value), "eE") {
			text = string(a.Value)
		} else if known == 1 && len(a.Value) < 30 {
			text = a.number.FloatString(digits)
		}
	}
	n, ok := written(text)
	if !ok {
		rt.Fatalf("%q is no number", text)
	}
	v := fhir.QuantityValue{NumberValue: n}
	switch rapid.IntRange(0, 5).Draw(rt, "unit") {
	case 0:
		v.Code = a.Unit
	case 1:
		v.Code = a.Code
	case 2:
		if v.System, v.Code = a.System, a.Code; v.Code == "" {
			v.System = ""
		}
	case 3:
		v.System, v.Code = "http://unitsofmeasure.org", rapid.SampledFrom([]string{"kg", "g", "x"}).Draw(rt, "code")
	}
	if strings.ContainsRune(v.System+v.Code, '\uFFFD') {
		v.System, v.Code = "", "x"
	}
	return drawPrefix(rt), v
}

// TestNumbersAreComparedAsTheyAreWritten is about stored doubles, which are not
// exactly what is written for them, and about decimals of any size.
func TestNumbersAreComparedAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	decimal := func(s string) bson.Decimal128 {
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	values := []any{5.3, 5.4, 5.349999999999999, int32(5), int64(1) << 60, decimal("5.4"), decimal("5.45"), decimal("1E-6000"), decimal("-1E-6000"), decimal("0E+6000"), 0.1}
	var ops []store.Op
	for i, v := range values {
		raw, err := bson.Marshal(bson.D{{Key: "_id", Value: int32(i)}, {Key: "kind", Value: "lab"}, {Key: "test", Value: "K"}, {Key: "st", Value: "F"}, {Key: "num", Value: v}, {Key: "unit", Value: "mmol/L"}})
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, store.Op{Kind: store.Insert, Collection: "vitals_labs", Doc: raw})
	}
	r := repositoryOn(t, backends()["memory"], ops)
	p, ok := search.Lookup("Observation", "value-quantity")
	if !ok {
		t.Fatal("no value-quantity")
	}
	for _, tt := range []struct {
		prefix fhir.Prefix
		value  string
		want   string // numbers of the values
	}{
		{fhir.EQ, "5.3", "0 2"},
		{fhir.EQ, "5.4", "1 5"}, // 5.45 is the end, which does not belong to it
		{fhir.EQ, "5.35", "2"},
		{fhir.GE, "5.4", "1 4 5 6"},
		{fhir.GT, "5.4", "4 6"},
		{fhir.LE, "5.3", "0 10 3 7 8 9"},
		{fhir.LT, "5.3", "10 3 7 8 9"},
		{fhir.GT, "0", "0 1 10 2 3 4 5 6 7"},
		{fhir.LT, "0", "8"},
		{fhir.EQ, "0.0", "7 8 9"},
		{fhir.LE, "0.1", "10 7 8 9"},
		{fhir.GE, "1152921504606846976", "4"},
		{fhir.GT, "1152921504606846976", ""},
		{fhir.AP, "6", "1 5 6"},
	} {
		n, _ := written(tt.value)
		var ids []string
		q := fhir.Query{Type: "Observation", Where: fhir.Term{Param: p, Prefix: tt.prefix, Value: fhir.QuantityValue{NumberValue: n, Code: "mmol/L"}}, Count: 100, Total: true}
		page, err := r.Search(t.Context(), &q)
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range page.Resources {
			ids = append(ids, res.ID)
		}
		if got := sortedWords(ids); got != tt.want || int(*page.Total) != len(ids) {
			t.Errorf("%s%s: %q of %d, want %q", tt.prefix, tt.value, got, *page.Total, tt.want)
		}
	}
}

func sortedWords(words []string) string {
	slices.Sort(words)
	return strings.Join(words, " ")
}
