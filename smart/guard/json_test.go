package guard

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// value makes up JSON.
func value(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		if depth == 0 {
			kind %= 4
		}
		switch kind {
		case 0:
			return rapid.SampledFrom([]string{"", "a", `q"uo\te`, "{", "]", "\u00e9\u2028", `\`, `\"`}).Draw(t, "text")
		case 1:
			return json.Number(rapid.SampledFrom([]string{"0", "-1.50", "3e8"}).Draw(t, "number"))
		case 2:
			return rapid.Bool().Draw(t, "bool")
		case 3:
			return nil
		case 4:
			return rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "array")
		}
		names := rapid.SampledFrom([]string{"a", "b", "reference", `q"`, "_a", ""})
		return rapid.MapOfN(names, value(depth-1), 0, 4).Draw(t, "object")
	})
}

func plain(t interface{ Fatal(...any) }, raw []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err, string(raw))
	}
	return v
}

// objectsAt is follow, over decoded JSON.
func objectsAt(v any, path []string) (all []any) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			all = append(all, objectsAt(one, path)...)
		}
	case map[string]any:
		if len(path) == 0 {
			return []any{v}
		}
		return objectsAt(v[path[0]], path[1:])
	}
	return all
}

func TestTheWalkOverJSONFindsWhatIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := map[string]any{"a": value(3).Draw(t, "a"), `q"`: value(2).Draw(t, "q"), "b": value(2).Draw(t, "b")}
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "indented") {
			var b bytes.Buffer
			if err := json.Indent(&b, raw, "\t", "  "); err != nil {
				t.Fatal(err)
			}
			raw = b.Bytes()
		}
		want := plain(t, raw)
		path := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "reference", `q"`, ""}), 0, 3).Draw(t, "path")
		var got []any
		follow(raw, path, func(o []byte) bool { got = append(got, plain(t, o)); return true })
		if all := objectsAt(want, path); !reflect.DeepEqual(got, all) {
			t.Fatalf("E5 at %q of %s: %v, want %v", path, raw, got, all)
		}
		hidden := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", `q"`}), 0, 3).Draw(t, "hidden")
		left := want.(map[string]any)
		for _, name := range hidden {
			delete(left, name)
			delete(left, "_"+name)
		}
		if shown := plain(t, without(raw, hidden)); !reflect.DeepEqual(shown, any(left)) {
			t.Fatalf("E11 %s without %q is %v", raw, hidden, shown)
		}
		if s, ok := v["a"].(string); ok && text(member(raw, "a")) != s {
			t.Fatalf("%s: a reads %q", raw, text(member(raw, "a")))
		}
	})
}

func FuzzWalk(f *testing.F) {
	f.Add([]byte(`{"a":[{"reference":"x"}],"b":"\"}"}`))
	f.Add([]byte(`{"a":`))
	f.Add([]byte(`{"a" "b"}`))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		follow(raw, []string{"a", "reference"}, func([]byte) bool { return true })
		without(raw, []string{"a"})
		_ = text(member(raw, "a"))
		_ = proposed(raw)
	})
}
