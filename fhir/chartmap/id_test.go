package chartmap

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

func suffixed() ids {
	return ids{suffixes: map[string]bool{"bp": true, "sa": true, "n5": true}, arrays: map[string]bool{"dx": true, "bp": true}}
}

func TestIDsOfUsualKeysAreTheKeys(t *testing.T) {
	t.Parallel()
	oid, err := bson.ObjectIDFromHex("507f1f77bcf86cd799439011")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		key  any
		want string
	}{
		{"p1", "p1"},
		{"a-b.c", "a-b.c"},
		{"007", "007"},
		{oid, "507f1f77bcf86cd799439011"},
		{int32(5), "5"},
		{int64(5), "5"},
		{5.0, "5"},
		{bson.NewDecimal128(0x3040000000000000, 5), "5"},
		{int64(-5), "-n5"},
		{int64(math.MinInt64), "-n9223372036854775808"},
		// What could be taken for something else is escaped.
		{"5", "-s5"},
		{"507f1f77bcf86cd799439011", "-s507f1f77bcf86cd799439011"},
		{"-s5", "-s.2ds5"},
		{"x-bp", "-sx.2dbp"},
		{"a b/ø", "-sa.20b.2f.c3.b8"},
		{"..", "-s.2e.2e"},
	}
	for _, tt := range tests {
		got, ok := suffixed().append(nil, store.V(tt.key), "")
		if !ok || string(got) != tt.want {
			t.Errorf("%#v: %s, %v; want %s", tt.key, got, ok, tt.want)
		}
	}
	elements := []struct {
		key, element any
		suffix, want string
	}{
		{"p1", int32(3), "", "p1-dx-3"},
		{int32(7), "a.b", "bp", "7-dx-a.b-bp"},
		{"p1", oid, "", "p1-dx-507f1f77bcf86cd799439011"},
		{"p1", "3", "", "p1-dx-.s3"},
		{"p1", "x-1", "", "p1-dx-.sx.2d1"},
		{"p1", "bp", "", "p1-dx-.sbp"},
		{"p1", int64(-3), "", "p1-dx-.n3"},
		{"p1-dx-3", int32(3), "", "-sp1.2ddx.2d3-dx-3"},
	}
	for _, tt := range elements {
		got, ok := suffixed().appendIdent(nil, ident{store.V(tt.key), "dx", store.V(tt.element), tt.suffix})
		if !ok || string(got) != tt.want {
			t.Errorf("%#v of %#v: %s, %v; want %s", tt.element, tt.key, got, ok, tt.want)
		}
	}
	for _, bad := range []any{nil, "", bson.A{}, bson.D{}, math.NaN(), strings.Repeat("x", 65)} {
		if got, ok := suffixed().append(nil, store.V(bad), ""); ok {
			t.Errorf("%#v got the id %s", bad, got)
		}
	}
}

// keys draws documents' keys, among them what looks like ids of others.
func drawKey(t *rapid.T, name string) store.Value {
	text := rapid.StringMatching(`[-.a-fnsb0-9 ø]{1,12}(-bp|-sa|-dx-[a0.]{1,2}){0,2}`)
	return rapid.OneOf(
		rapid.Map(text, func(s string) store.Value { return store.V(s) }),
		rapid.Map(rapid.Int64(), func(n int64) store.Value { return store.V(n) }),
		rapid.Map(rapid.Int32Range(-20, 20), func(n int32) store.Value { return store.V(n) }),
		rapid.Map(rapid.Float64(), func(f float64) store.Value { return store.V(f) }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 12, 12), func(b []byte) store.Value { return store.V(bson.ObjectID(b)) }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 16), func(b []byte) store.Value { return store.V(bson.Binary{Subtype: 4, Data: b}) }),
		rapid.Map(rapid.Int64(), func(n int64) store.Value { return store.V(bson.DateTime(n)) }),
		rapid.Map(rapid.Bool(), func(b bool) store.Value { return store.V(b) }),
	).Draw(t, name)
}

func TestDifferentKeysHaveDifferentIDsThatReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := suffixed()
		draw := func(name string) ident {
			id := ident{
				key:    drawKey(t, name),
				array:  rapid.SampledFrom([]string{"", "dx", "bp"}).Draw(t, name+" array"),
				suffix: rapid.SampledFrom([]string{"", "bp", "sa", "n5"}).Draw(t, name+" suffix"),
			}
			if id.array != "" {
				id.elem = drawKey(t, name+" element")
			}
			return id
		}
		same := func(a, b ident) bool {
			return a.array == b.array && a.suffix == b.suffix && store.Compare(a.key, b.key) == 0 && store.Compare(a.elem, b.elem) == 0
		}
		one, other := draw("one"), draw("other")
		id1, ok1 := c.appendIdent(nil, one)
		id2, ok2 := c.appendIdent(nil, other)
		if !ok1 || !ok2 {
			t.Skip("not every key has an id")
		}
		if !fhir.ValidID(string(id1)) {
			t.Fatalf("%s is no id", id1)
		}
		if bytes.Equal(id1, id2) != same(one, other) {
			t.Fatalf("%v and %v: %s, %s", one, other, id1, id2)
		}
		if back, ok := c.parseIdent(string(id1)); !ok || !same(back, one) {
			t.Fatalf("%s reads back as %v, %v", id1, back, ok)
		}
	})
}

func FuzzID(f *testing.F) {
	for _, s := range []string{"p1", "5", "-n5", "-sa.20b", "-b17052dhnjk0g000", "507f1f77bcf86cd799439011-bp", "-", "-b", "-s", "x-bp", "p1-dx-3", "p1-dx-.sx.2d1-bp", "5-bp-.n5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		what, ok := suffixed().parseIdent(id)
		if !ok {
			return
		}
		if back, ok := suffixed().appendIdent(nil, what); !ok || string(back) != id {
			t.Fatalf("%q is %v, which has the id %s", id, what, back)
		}
	})
}

func FuzzCursor(f *testing.F) {
	by := ordering{false, true}
	f.Add(position{branch: 1, at: []store.Value{store.V("x"), store.V(1)}}.String())
	f.Add(position{branch: 0, at: []store.Value{unvalued(), store.V("x")}, elem: store.V("e")}.String())
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePosition(s, by)
		if err != nil || s == "" {
			return
		}
		if back, err := parsePosition(p.String(), by); err != nil || back.String() != p.String() {
			t.Fatalf("%q: %v, %v", s, back, err)
		}
	})
}
