package fhir

import "slices"

// Type is the name of a resource type, for example "Patient". Type names are
// case-sensitive (R4 3.1.0.1.2).
type Type string

// Valid reports whether t is one of the 146 concrete resource types of R4.
func (t Type) Valid() bool {
	_, ok := slices.BinarySearch(types[:], t)
	return ok
}

// DomainResource reports whether the type is a DomainResource (R4 2.3): all are but
// Bundle, Binary and Parameters.
func (t Type) DomainResource() bool { return t != "Bundle" && t != "Binary" && t != "Parameters" }

// Types returns the concrete resource types of R4 in alphabetical order. The
// slice is the caller's.
func Types() []Type { return slices.Clone(types[:]) }

// Key names a resource on this server: its type and its logical id.
type Key struct {
	Type Type
	ID   string
}

// String gives the relative reference, "Patient/17".
func (k Key) String() string { return string(k.Type) + "/" + k.ID }

// ValidID reports whether id matches R4's grammar for logical ids:
// [A-Za-z0-9\-\.]{1,64} (R4 2.24.0.1, id).
func ValidID(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}
