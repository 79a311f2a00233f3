package guard

import (
	"encoding/json"
	"reflect"
	"slices"
)

// marks are what meta says of a resource that is not shown as a whole: R4 3.1.1.5.8, and
// the integrity code of the security labels (R4 6.1.1.2).
var marks = map[string]string{
	"tag":      `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`,
	"security": `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}`,
}

// meta is that of a resource, in raw members.
type meta map[string]json.RawMessage

func metaOf(body []byte) meta {
	var m meta
	if json.Unmarshal(member(body, "meta"), &m) != nil || m == nil {
		m = meta{}
	}
	return m
}

// put gives body with this meta, or with none when it is empty.
func (m meta) put(body []byte) []byte {
	if len(m) == 0 {
		return without(body, []string{"meta"})
	}
	raw, err := json.Marshal(m)
	if err != nil || member(body, "meta") == nil {
		return with(body, "meta", raw)
	}
	return edit(body, func(at *members) ([]byte, bool) {
		if at.is("meta") {
			return raw, true
		}
		return at.value, true
	})
}

// mark adds the marks that are not there.
func mark(body []byte) []byte {
	m := metaOf(body)
	for list, coding := range marks {
		if all := items(m[list]); !slices.ContainsFunc(all, marked(list)) {
			m[list] = listed(append(all, []byte(coding)))
		}
	}
	return m.put(body)
}

// unmark takes away the marks that the stored resource does not have.
func unmark(body, stored []byte) []byte {
	m, was := metaOf(body), metaOf(stored)
	for list := range marks {
		if slices.ContainsFunc(items(was[list]), marked(list)) {
			continue
		}
		all := items(m[list])
		left := slices.DeleteFunc(slices.Clone(all), marked(list))
		switch {
		case len(left) == len(all):
		case len(left) == 0:
			delete(m, list)
		default:
			m[list] = listed(left)
		}
	}
	return m.put(body)
}

// marked reports whether a coding in a list of meta is its mark.
func marked(list string) func([]byte) bool {
	mark := []byte(marks[list])
	return func(coding []byte) bool {
		return text(member(coding, "code")) == text(member(mark, "code")) && text(member(coding, "system")) == text(member(mark, "system"))
	}
}

// sameJSON reports whether two resources say the same, but for what of meta the server
// sets.
func sameJSON(a, b []byte) bool {
	one, err := decode(a)
	if err != nil {
		return false
	}
	other, err := decode(b)
	if err != nil {
		return false
	}
	for _, o := range []object{one, other} {
		m := o.object("meta")
		delete(m, "versionId")
		delete(m, "lastUpdated")
		if len(m) == 0 {
			delete(o, "meta")
		}
	}
	return reflect.DeepEqual(one, other)
}
