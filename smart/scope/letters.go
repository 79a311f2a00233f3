package scope

import "strings"

// Letters are permissions of a scope: a set of Create, Read, Update, Delete and
// Search.
type Letters uint8

// The permissions (SMART App Launch 2.2, Scopes for requesting FHIR Resources).
const (
	Create Letters = 1 << iota // c: create, conditional create
	Read                       // r: read, vread, history of an instance
	Update                     // u: update, patch, update that creates
	Delete                     // d: delete
	Search                     // s: search, history of a type or of all

	// ReadV1, WriteV1 and AllV1 are what .read, .write and .* of SMART 1 mean.
	ReadV1  = Read | Search
	WriteV1 = Create | Update | Delete
	AllV1   = ReadV1 | WriteV1
)

const order = "cruds"

// Has reports whether all of want are in l.
func (l Letters) Has(want Letters) bool { return l&want == want }

// String gives the letters in their order, as "rs".
func (l Letters) String() string {
	var b strings.Builder
	for i := range order {
		if l&(1<<i) != 0 {
			b.WriteByte(order[i])
		}
	}
	return b.String()
}

// parseLetters reads letters in their order; 0 when they are none.
func parseLetters(s string) Letters {
	var l Letters
	next := 0
	for i := range len(s) {
		at := strings.IndexByte(order[next:], s[i])
		if at < 0 {
			return 0
		}
		l |= 1 << (next + at)
		next += at + 1
	}
	return l
}

// v1 are the permissions in the spelling of SMART 1.
var v1 = map[string]Letters{"read": ReadV1, "write": WriteV1, "*": AllV1}
