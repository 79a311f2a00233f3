package store_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/store"
)

// numbers stands in order; those in one row are equal.
var numbers = [][]any{
	{math.NaN(), dec("NaN"), dec("-NaN")},
	{math.Inf(-1), dec("-Infinity")},
	{dec("-1E+6000")},
	{dec("-1.8E+308")},
	{-math.MaxFloat64},
	{dec("-1E+300")},
	{float64(math.MinInt64), int64(math.MinInt64), dec("-9223372036854775808")},
	{int64(math.MinInt64 + 1)},
	{dec("-9007199254740993.5")},
	{int64(-9007199254740993), dec("-9007199254740993.0")},
	{int64(-9007199254740992), -9007199254740992.0},
	{int32(-1), int64(-1), -1.0, dec("-1.00")},
	{dec("-0.10000000000000001")},
	{dec("-0.1")}, // the double -0.1 is a little below it
	{-math.SmallestNonzeroFloat64},
	{dec("-1E-6000")},
	{int32(0), int64(0), 0.0, math.Copysign(0, -1), dec("0"), dec("-0E+10")},
	{dec("1E-6176")},
	{dec("1E-400")},
	{math.SmallestNonzeroFloat64},
	{dec("0.1"), dec("0.10")},
	{0.1},
	{0.5, dec("0.5")},
	{int32(1), int64(1), 1.0, dec("1"), dec("10E-1")},
	{dec("1.000000000000000000000000000000001")},
	{1.0000000000000002},
	{int64(1<<53 - 1), float64(1<<53 - 1)},
	{int64(1 << 53), float64(1 << 53)},
	{dec("9007199254740992.5")},
	{int64(1<<53 + 1), dec("9007199254740993")},
	{dec("9007199254740993.000001")},
	{int64(1<<53 + 2), float64(1<<53 + 2)},
	{int64(math.MaxInt64 - 1)},
	{int64(math.MaxInt64), dec("9223372036854775807")},
	{float64(1 << 63), dec("9223372036854775808")},
	{1e300},
	{math.MaxFloat64},
	{dec("1.8E+308")},
	{dec("9.999999999999999999999999999999999E+6144")},
	{math.Inf(1), dec("Infinity")},
}

func dec(s string) bson.Decimal128 {
	d, err := bson.ParseDecimal128(s)
	if err != nil {
		panic(err)
	}
	return d
}

func TestNumbersCompareByTheirExactValue(t *testing.T) {
	t.Parallel()
	for i, row := range numbers {
		for j, other := range numbers {
			for _, a := range row {
				for _, b := range other {
					checkPair(t, store.V(a), store.V(b), cmp.Compare(i, j))
				}
			}
		}
	}
}

// checkPair wants Compare and the keys, upwards and downwards, to say so.
func checkPair(t interface{ Errorf(string, ...any) }, a, b store.Value, want int) {
	if got := store.Compare(a, b); got != want {
		t.Errorf("Compare(%v, %v) = %d, want %d", a, b, got, want)
	}
	if got := bytes.Compare(store.AppendKey(nil, a, false), store.AppendKey(nil, b, false)); got != want {
		t.Errorf("keys of %v and %v compare as %d, want %d", a, b, got, want)
	}
	if got := bytes.Compare(store.AppendKey(nil, b, true), store.AppendKey(nil, a, true)); got != want {
		t.Errorf("descending keys of %v and %v compare as %d, want %d", b, a, got, want)
	}
}

// values generates values of every type, most of them close to another.
func values(depth int) *rapid.Generator[store.Value] {
	return rapid.Custom(func(t *rapid.T) store.Value {
		kinds := 16
		if depth > 0 {
			kinds = 19
		}
		kind := rapid.IntRange(0, kinds).Draw(t, "kind")
		switch kind {
		case 0:
			return store.V(rapid.Int64().Draw(t, "int64"))
		case 1:
			return store.V(rapid.Int32().Draw(t, "int32"))
		case 2:
			return store.V(rapid.Float64().Draw(t, "double"))
		case 3:
			high, low := rapid.Uint64().Draw(t, "high"), rapid.Uint64().Draw(t, "low")
			return store.V(bson.NewDecimal128(high, low))
		case 4: // a decimal next to an integer or a double
			row := rapid.SampledFrom(numbers).Draw(t, "row")
			return store.V(rapid.SampledFrom(row).Draw(t, "number"))
		case 5:
			return store.V(float64(rapid.Int64().Draw(t, "whole")))
		case 6:
			return store.V(rapid.StringOf(rapid.SampledFrom([]rune{0, 1, 'a', 'b', 0xFF, 0xFFFF})).Draw(t, "string"))
		case 7:
			return store.V(bson.Symbol(rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "symbol")))
		case 8:
			sub := rapid.SampledFrom([]byte{0, 5, 0x80}).Draw(t, "subtype")
			return store.V(bson.Binary{Subtype: sub, Data: rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "binary")})
		case 9:
			return store.V(bson.ObjectID{11: rapid.Byte().Draw(t, "oid")})
		case 10:
			return store.V(rapid.Bool().Draw(t, "bool"))
		case 11:
			return store.V(bson.DateTime(rapid.Int64().Draw(t, "date")))
		case 12:
			return store.V(bson.Timestamp{T: rapid.Uint32().Draw(t, "t"), I: rapid.Uint32().Draw(t, "i")})
		case 13:
			pool := rapid.SampledFrom([]string{"", "a", "ab", "b"})
			return store.V(bson.Regex{Pattern: pool.Draw(t, "pattern"), Options: pool.Draw(t, "options")})
		case 14:
			return rapid.SampledFrom([]store.Value{store.Null(), {}, {Type: bson.TypeUndefined}, store.V(bson.MinKey{}), store.V(bson.MaxKey{})}).Draw(t, "constant")
		case 15:
			return store.V(bson.DBPointer{DB: rapid.SampledFrom([]string{"", "a", "bb"}).Draw(t, "db")})
		case 16:
			code := rapid.SampledFrom([]string{"", "a", "a\x00"}).Draw(t, "code")
			if rapid.Bool().Draw(t, "scope") {
				return store.V(bson.CodeWithScope{Code: bson.JavaScript(code), Scope: bson.D{{Key: code[:min(len(code), 1)], Value: 1}}})
			}
			return store.V(bson.JavaScript(code))
		case 17:
			a := bson.A{}
			for range rapid.IntRange(0, 3).Draw(t, "length") {
				a = append(a, present(t, depth))
			}
			return store.V(a)
		}
		d := bson.D{}
		for range rapid.IntRange(0, 3).Draw(t, "fields") {
			d = append(d, bson.E{Key: rapid.SampledFrom([]string{"", "a", "ab", "b"}).Draw(t, "name"), Value: present(t, depth)})
		}
		return store.V(d)
	})
}

func present(t *rapid.T, depth int) store.Value {
	v := values(depth-1).Draw(t, "inner")
	if store.Missing(v) {
		return store.Null()
	}
	return v
}

func TestKeysOrderAsCompareDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		vs := rapid.SliceOfN(values(2), 2, 12).Draw(t, "values")
		for _, a := range vs {
			for _, b := range vs {
				checkPair(t, a, b, store.Compare(a, b))
				if store.Compare(a, b) != -store.Compare(b, a) {
					t.Errorf("Compare(%v, %v) is not the opposite of its reverse", a, b)
				}
			}
		}
		slices.SortFunc(vs, store.Compare)
		for i := range vs {
			for j := range i {
				if store.Compare(vs[j], vs[i]) > 0 {
					t.Errorf("%v after %v in a sorted list: not a transitive order", vs[i], vs[j])
				}
			}
		}
	})
}

func TestKeysOrderAsTuples(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a, b store.Cursor
		var order []store.Key
		for range 3 {
			order = append(order, store.Key{Path: "x", Desc: rapid.Bool().Draw(t, "desc")})
			a = append(a, values(1).Draw(t, "a"))
			b = append(b, rapid.SampledFrom([]store.Value{a[len(a)-1], values(1).Draw(t, "b")}).Draw(t, "same"))
		}
		tuple := func(c store.Cursor) (k []byte) {
			for i, v := range c {
				k = store.AppendKey(k, v, order[i].Desc)
			}
			return k
		}
		if got, want := bytes.Compare(tuple(a), tuple(b)), store.ComparePositions(order, a, b); got != want {
			t.Errorf("keys of %v and %v compare as %d, want %d", a, b, got, want)
		}
	})
}

func FuzzValues(f *testing.F) {
	for _, row := range numbers {
		v := store.V(row[0])
		f.Add(byte(v.Type), v.Value, byte(bson.TypeDouble), store.V(1.5).Value)
	}
	f.Add(byte(bson.TypeString), store.V("a\x00b").Value, byte(bson.TypeCodeWithScope), store.V(bson.CodeWithScope{Code: "x", Scope: bson.D{}}).Value)
	f.Fuzz(func(t *testing.T, aType byte, a []byte, bType byte, b []byte) {
		v, w := store.Value{Type: bson.Type(aType), Value: a}, store.Value{Type: bson.Type(bType), Value: b}
		checkPair(t, v, w, store.Compare(v, w))
		checkPair(t, v, v, 0)
	})
}

func TestDeepValuesDoNotExhaustTheStack(t *testing.T) {
	t.Parallel()
	// Each level takes eight bytes: length, type, name, end.
	const levels = 200_000
	var deep []byte
	for i := range levels {
		deep = binary.LittleEndian.AppendUint32(deep, uint32(5+8*(levels-i)))
		deep = append(deep, byte(bson.TypeEmbeddedDocument), 'a', 0)
	}
	deep = append(deep, 5, 0, 0, 0, 0)
	deep = append(deep, make([]byte, levels)...)
	if got := deep[:4]; binary.LittleEndian.Uint32(got) != uint32(len(deep)) {
		t.Fatalf("built %d bytes that call themselves %d", len(deep), binary.LittleEndian.Uint32(got))
	}
	v := store.Value{Type: bson.TypeEmbeddedDocument, Value: deep}
	checkPair(t, v, v, 0)
	if op := (store.Op{Kind: store.Insert, Collection: "c", Doc: deep}); op.Validate() == nil {
		t.Error("a document of thousands of levels is valid")
	}
}
