package patch

import (
	"bytes"
	"slices"

	"github.com/portico-fhir/portico/fhir/schema"
)

// slot is one element of a list, or the only one: its value and, for primitives,
// the companion with its id and extensions (R4 2.6.1). nil where there is none.
type slot struct{ value, companion []byte }

// member is an element of an object that may be there or not.
type member struct {
	schema.Element
	slots []slot
}

// memberOf reads the element called name (as FHIRPath has it) of an object of type
// typ; of a choice the variant that is there. ok is false when there is none.
func memberOf(object []byte, typ, name string) (member, bool) {
	for e := range entries(object) {
		text := unquote(e.name.of(object))
		if len(text) > 0 && text[0] == '_' {
			text = text[1:]
		}
		if element, ok := schema.Lookup(typ, text); ok && element.Name == name {
			return member{element, readSlots(object, text)}, true
		}
	}
	return member{}, false
}

func readSlots(object []byte, name string) []slot {
	values, companions := list(object, name), list(object, "_"+name)
	slots := make([]slot, max(len(values), len(companions)))
	for i := range slots {
		if i < len(values) {
			slots[i].value = values[i]
		}
		if i < len(companions) {
			slots[i].companion = companions[i]
		}
	}
	return slots
}

// list gives the elements of a member, be it an array or single; nil for null.
func list(object []byte, name string) [][]byte {
	at, ok := find(object, name)
	if !ok {
		return nil
	}
	text := at.of(object)
	if text[0] != '[' {
		return [][]byte{orNil(text)}
	}
	var out [][]byte
	for e := range entries(text) {
		out = append(out, orNil(e.value.of(text)))
	}
	return out
}

func orNil(text []byte) []byte {
	if string(text) == "null" {
		return nil
	}
	return text
}

// write puts the slots into the object, in the place of what stands there under
// the member's name; no slots take the member out.
func (m member) write(object []byte) []byte {
	values := func(s slot) []byte { return s.value }
	companions := func(s slot) []byte { return s.companion }
	object = set(object, m.Member, m.text(values))
	return set(object, "_"+m.Member, m.text(companions))
}

// text gives the JSON of one side of the slots; nil when it is empty.
func (m member) text(side func(slot) []byte) []byte {
	if !slices.ContainsFunc(m.slots, func(s slot) bool { return side(s) != nil }) {
		return nil
	}
	if !m.Many {
		return side(m.slots[0])
	}
	var parts [][]byte
	for _, s := range m.slots {
		text := side(s)
		if text == nil {
			text = []byte("null")
		}
		parts = append(parts, text)
	}
	return append(append([]byte("["), bytes.Join(parts, []byte(","))...), ']')
}

// set gives the object with a member set, or for nil taken out.
func set(object []byte, name string, text []byte) []byte {
	e, ok := findEntry(object, name)
	switch {
	case ok && text != nil:
		return splice(object, e.value, text)
	case ok:
		return removeEntry(object, span{e.name.start, e.value.end})
	case text != nil:
		return insertMember(object, name, text)
	}
	return object
}
