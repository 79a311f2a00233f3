package fhir

import "strings"

// ReferenceKind says what a reference string points at.
type ReferenceKind uint8

// The kinds of reference (R4 2.3.0.1).
const (
	RefInvalid  ReferenceKind = iota // neither of the others
	RefLocal                         // a resource of this server: relative, or absolute below its base
	RefFragment                      // "#id": contained in the same resource
	RefURN                           // urn:uuid:… or urn:oid:…, which name a resource without locating it
	RefExternal                      // an absolute URL elsewhere, or a canonical
)

// Reference is a parsed Reference.reference or canonical. A logical reference
// (identifier only) has no string to parse.
type Reference struct {
	Kind     ReferenceKind
	Key      Key    // RefLocal
	Version  string // of RefLocal …/_history/[version], or behind the "|" of a canonical
	URL      string // RefURN, RefExternal, without version and fragment
	Fragment string // RefFragment, and behind the "#" of the others
}

// ParseReference reads s. Base is the server's FHIR base URL without a trailing
// slash; absolute URLs below it are RefLocal.
func ParseReference(s, base string) Reference {
	if frag, ok := strings.CutPrefix(s, "#"); ok {
		return Reference{Kind: RefFragment, Fragment: frag}
	}
	rest, frag, _ := strings.Cut(s, "#")
	local := rest
	if base != "" {
		if below, ok := strings.CutPrefix(rest, base+"/"); ok {
			local = below
		}
	}
	if key, version, ok := cutLocal(local); ok {
		return Reference{Kind: RefLocal, Key: key, Version: version, Fragment: frag}
	}
	if !absolute(rest) {
		return Reference{}
	}
	url, version, _ := strings.Cut(rest, "|")
	kind := RefExternal
	if strings.HasPrefix(url, "urn:uuid:") || strings.HasPrefix(url, "urn:oid:") {
		kind = RefURN
	}
	return Reference{Kind: kind, URL: url, Version: version, Fragment: frag}
}

// absolute reports whether s starts with a scheme (RFC 3986 3.1), goes on, and
// holds no white space, which R4's uri never does.
func absolute(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || strings.ContainsAny(s, " \t\r\n") {
		return false
	}
	for i := range len(scheme) {
		switch c := scheme[i] | 0x20; {
		case c >= 'a' && c <= 'z':
		case i > 0 && (scheme[i] >= '0' && scheme[i] <= '9' || strings.IndexByte("+-.", scheme[i]) >= 0):
		default:
			return false
		}
	}
	return scheme != ""
}

// cutLocal reads Type/id or Type/id/_history/version.
func cutLocal(s string) (key Key, version string, ok bool) {
	name, rest, ok := strings.Cut(s, "/")
	if !ok || !Type(name).Valid() {
		return Key{}, "", false
	}
	id, rest, versioned := strings.Cut(rest, "/")
	if versioned {
		version, ok = strings.CutPrefix(rest, "_history/")
		if !ok || !ValidID(version) {
			return Key{}, "", false
		}
	}
	return Key{Type(name), id}, version, ValidID(id)
}
