package oracle

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// scalars are what a mutation puts in a value's place: the edges of R4's
// primitives and of JSON.
var scalars = []string{
	`null`, `true`, `false`, `0`, `1`, `-1`, `2147483647`, `2147483648`, `-2147483649`, `1.0`, `1e3`, `0.10`, `123456789012345678.5`,
	`""`, `"a"`, `" a"`, `"a b"`, `"a  b"`, `"final"`, `"entered-in-error"`, `"male"`, `"2024"`, `"2024-02"`, `"2024-02-29"`, `"2023-02-29"`,
	`"2024-02-29T10:00:00Z"`, `"2024-02-29T10:00Z"`, `"2024-02-29T10:00:00"`, `"2024-02-29T24:00:00Z"`, `"2024-02-29T10:00:00.123+14:00"`, `"12:00:00"`,
	`"12:00"`, `"YWJj"`, `"YWJ"`, `"urn:oid:1.2"`, `"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"`, `"http://example.org/a"`, `"#x"`, `"#"`,
	`"Patient/1"`, `"Slot/1"`, `"Slot/1/_history/2"`, `"Patient?identifier=x"`, `"\u0000"`, `"\t"`, `[]`, `{}`, `[null]`, `{"id":"a"}`,
	`{"extension":[{"url":"http://x","valueCode":"y"}]}`, `{"reference":"Slot/1"}`, `{"reference":"#x"}`, `{"text":"a"}`, `["a"]`,
}

// dates are what takes the place of a date or time, half of the times.
var dates = []string{
	`"2024"`, `"2024-02"`, `"2024-02-29"`, `"2023-02-29"`, `"2024-04-31"`, `"2024-13-01"`, `"0000-01-01"`, `"2024-2-9"`, `"2024-02-29T10:00:00Z"`,
	`"2024-02-29T10:00:00.5-05:00"`, `"2023-02-29T10:00:00Z"`, `"2024-02-29T10:00Z"`, `"2024-02-29T10:00:00"`, `"2024-02-29T24:00:00Z"`, `"2024-02-29T10:60:00Z"`, `"12:00:00"`, `"24:00:00"`,
}

// mutator changes a resource at random.
type mutator struct{ rnd *rand.Rand }

// mutate returns body with up to three changes.
func (m mutator) mutate(body []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var root any
	if err := dec.Decode(&root); err != nil {
		return nil, err
	}
	for range 1 + m.rnd.IntN(3) {
		m.change(root)
	}
	return json.Marshal(root)
}

// change walks down to some object or array and changes one of its members.
func (m mutator) change(v any) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return
		}
		key := pick(m, slices.Sorted(maps.Keys(v)))
		if m.deeper(v[key]) {
			m.change(v[key])
			return
		}
		m.member(v, key)
	case []any:
		if len(v) == 0 {
			return
		}
		i := m.rnd.IntN(len(v))
		if m.deeper(v[i]) {
			m.change(v[i])
			return
		}
		v[i] = m.valueFor(v[i])
	}
}

// deeper says whether to go on into a value: mostly, when there is a way.
func (m mutator) deeper(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return m.rnd.IntN(4) > 0
	}
	return false
}

func (m mutator) member(object map[string]any, key string) {
	value := object[key]
	switch m.rnd.IntN(7) {
	case 0:
		delete(object, key)
	case 1:
		delete(object, key)
		object[key+"x"] = value
	case 2:
		object["_"+key] = m.value()
	case 3:
		object[key] = []any{value}
	case 4:
		if list, ok := value.([]any); ok && len(list) > 0 {
			object[key] = list[0]
		}
	default:
		object[key] = m.valueFor(value)
	}
}

// valueFor gives something for a value's place, for a date often another date.
func (m mutator) valueFor(old any) any {
	if s, ok := old.(string); ok && len(s) >= 4 && s[0] >= '0' && s[0] <= '2' && m.rnd.IntN(2) == 0 {
		return parse(pick(m, dates))
	}
	return m.value()
}

func (m mutator) value() any { return parse(pick(m, scalars)) }

func parse(text string) any {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

func pick(m mutator, list []string) string { return list[m.rnd.IntN(len(list))] }
