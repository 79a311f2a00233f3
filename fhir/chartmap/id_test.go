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

func suffixed() ids { return ids{suffixes: map[string]bool{"bp": true, "sa": true, "n5": true}} }

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
	for _, bad := range []any{nil, "", bson.A{}, bson.D{}, math.NaN(), strings.Repeat("x", 65)} {
		if got, ok := suffixed().append(nil, store.V(bad), ""); ok {
			t.Errorf("%#v got the id %s", bad, got)
		}
	}
}

// keys draws documents' keys, among them what looks like ids of others.
func drawKey(t *rapid.T, name string) store.Value {
	text := rapid.StringMatching(`[-.a-fnsb0-9 ø]{1,20}(-bp|-sa)?`)
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
		suffixes := rapid.SampledFrom([]string{"", "bp", "sa", "n5"})
		k1, k2 := drawKey(t, "one"), drawKey(t, "other")
		s1, s2 := suffixes.Draw(t, "suffix"), suffixes.Draw(t, "other suffix")
		id1, ok1 := c.append(nil, k1, s1)
		id2, ok2 := c.append(nil, k2, s2)
		if !ok1 || !ok2 {
			t.Skip("not every key has an id")
		}
		if !fhir.ValidID(string(id1)) {
			t.Fatalf("%s is no id", id1)
		}
		if bytes.Equal(id1, id2) != (s1 == s2 && store.Compare(k1, k2) == 0) {
			t.Fatalf("%v-%s and %v-%s: %s, %s", k1, s1, k2, s2, id1, id2)
		}
		back, suffix, ok := c.parse(string(id1))
		if !ok || suffix != s1 || store.Compare(back, k1) != 0 {
			t.Fatalf("%s reads back as %v-%s, %v", id1, back, suffix, ok)
		}
	})
}

func FuzzID(f *testing.F) {
	for _, s := range []string{"p1", "5", "-n5", "-sa.20b", "-b17052dhnjk0g000", "507f1f77bcf86cd799439011-bp", "-", "-b", "-s", "x-bp"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		key, suffix, ok := suffixed().parse(id)
		if !ok {
			return
		}
		if back, ok := suffixed().append(nil, key, suffix); !ok || string(back) != id {
			t.Fatalf("%q is %v-%s, which has the id %s", id, key, suffix, back)
		}
	})
}

func FuzzCursor(f *testing.F) {
	plan := []*stream{{Mapping: &Mapping{}, order: []store.Key{{Path: "_id"}}}, {Mapping: &Mapping{}, order: []store.Key{{Path: "at"}, {Path: "_id"}}, last: true}}
	f.Add(position{branch: 1, at: store.Cursor{store.V("x")}}.String())
	f.Add(position{last: true, branch: 0, at: store.Cursor{store.V(1), store.V("x")}}.String())
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePosition(s, plan)
		if err != nil || s == "" {
			return
		}
		if back, err := parsePosition(p.String(), plan); err != nil || back.String() != p.String() {
			t.Fatalf("%q: %v, %v", s, back, err)
		}
	})
}
