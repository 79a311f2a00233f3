package schema

import "github.com/portico-fhir/portico/fhir"

// kind is what an element holds: a primitive, or a def plus kindComplex.
type kind uint16

func (k kind) primitive() bool { return k <= kindReferenceString }

func (k kind) def() *def { return &defs[k-kindComplex] }

// String gives the name of the type in the specification's words.
func (k kind) String() string {
	if k < kindComplex {
		return primitiveNames[k]
	}
	return k.def().name
}

// def is a resource type, a data type or a backbone element.
type def struct {
	name     string
	first    uint16 // index in fields
	count    uint16
	required uint64 // slots of required elements
}

// field is one JSON member of a def. The variants of a choice are fields of
// their own that share a slot.
type field struct {
	name   string
	kind   kind
	arg    uint16 // of a code: index in valueSets plus 1; of a Reference: in targetSets; 0 for none
	slot   uint8  // number of the element within its def
	many   bool
	choice uint8 // number of the choice within its def, from 1; 0 for none
	base   uint8 // length of the element's name: of valueString, that of value
}

// element is the name of the element as FHIRPath has it: value, not valueString.
func (f *field) element() string { return f.name[:f.base] }

// label is the name of the element as the specification has it: value[x].
func (f *field) label() string {
	if f.choice != 0 {
		return f.element() + "[x]"
	}
	return f.name
}

// companionable reports whether the element may have a "_name" companion: the
// ids of elements and the URL of an extension are plain strings without
// extensions, and so is xhtml.
func (d *def) companionable(f *field) bool {
	return f.kind.primitive() && f.slot != slotID && f.kind != kindXhtml && !(d == kindExtension.def() && f.slot == slotExtensionUrl)
}

func (d *def) fields() []field { return fields[d.first : d.first+d.count] }

// find returns the index in fields of the member called name, or -1. Fields
// are sorted by length, then name.
func (d *def) find(name []byte) int {
	lo, hi := int(d.first), int(d.first+d.count)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		have := fields[mid].name
		switch {
		case len(have) < len(name) || len(have) == len(name) && have < string(name):
			lo = mid + 1
		case have == string(name):
			return mid
		default:
			hi = mid
		}
	}
	return -1
}

// bySlot returns the first field of a slot.
func (d *def) bySlot(slot int) *field {
	all := d.fields()
	for i := range all {
		if int(all[i].slot) == slot {
			return &all[i]
		}
	}
	return nil
}

// slotID is the slot of id in every def.
const slotID = 0

// resourceKind returns the kind of a resource type, or 0.
func resourceKind(name []byte) kind {
	lo, hi := 0, resourceCount
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch have := defs[mid].name; {
		case have < string(name):
			lo = mid + 1
		case have == string(name):
			return kindComplex + kind(mid)
		default:
			hi = mid
		}
	}
	return 0
}

// valueSet is the value set of a required binding.
type valueSet struct {
	url   string
	codes []string // sorted
}

func (s *valueSet) has(code []byte) bool {
	lo, hi := 0, len(s.codes)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch have := s.codes[mid]; {
		case have < string(code):
			lo = mid + 1
		case have == string(code):
			return true
		default:
			hi = mid
		}
	}
	return false
}

// targets returns the types that a reference may point to; nil means all.
func targets(arg uint16) []fhir.Type {
	if arg == 0 {
		return nil
	}
	return targetSets[arg-1]
}
