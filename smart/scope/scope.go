package scope

import (
	"net/url"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// Context says whose data a scope is about.
type Context uint8

// The contexts. A scope that is about no data has the zero value.
const (
	Patient Context = iota + 1 // patient/: of the patient in context
	User                       // user/: what the user may reach
	System                     // system/: what the client may reach by itself
)

var contexts = []string{Patient: "patient", User: "user", System: "system"}

// String gives the name as it stands in a scope.
func (c Context) String() string {
	if int(c) < len(contexts) {
		return contexts[c]
	}
	return ""
}

// The scopes that are not about data.
const (
	Launch          = "launch" // in an EHR launch
	LaunchPatient   = "launch/patient"
	LaunchEncounter = "launch/encounter"
	OpenID          = "openid"
	FHIRUser        = "fhirUser"
	Profile         = "profile"
	OnlineAccess    = "online_access"
	OfflineAccess   = "offline_access"
)

var names = []string{Launch, LaunchPatient, LaunchEncounter, OpenID, FHIRUser, Profile, OnlineAccess, OfflineAccess}

// Names lists the scopes that are not about data. The slice is the caller's.
func Names() []string { return slices.Clone(names) }

// Scope is one scope. Scopes are comparable; two that differ only in spelling
// (read and rs) differ.
type Scope struct {
	// Name is that of a scope that is not about data; empty for others.
	Name string

	Context Context
	Type    fhir.Type // empty: all types, written "*"
	Letters Letters
	// Filter restricts the resources (granular scopes): search parameters as
	// in a URL, percent-encoded, without "?"; empty: not restricted.
	Filter string

	old string // the permissions in the spelling of SMART 1; empty: letters
}

// String gives the scope as it is written.
func (s Scope) String() string {
	if s.Name != "" {
		return s.Name
	}
	t, letters, filter := string(s.Type), s.old, ""
	if t == "" {
		t = "*"
	}
	if letters == "" {
		letters = s.Letters.String()
	}
	if s.Filter != "" {
		filter = "?" + s.Filter
	}
	return s.Context.String() + "/" + t + "." + letters + filter
}

// maxScope bounds the length of one scope in bytes.
const maxScope = 1000

// parse reads one scope; why says in a sentence what is wrong with it.
func parse(text string) (s Scope, why string) {
	switch {
	case len(text) > maxScope:
		return Scope{}, "It is too long."
	case strings.IndexFunc(text, func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' }) >= 0:
		return Scope{}, "It has characters that a scope cannot have."
	case slices.Contains(names, text):
		return Scope{Name: text}, ""
	}
	context, rest, ok := strings.Cut(text, "/")
	at := slices.Index(contexts, context)
	if !ok || at < int(Patient) {
		return Scope{}, "It is no scope that this server knows."
	}
	s.Context = Context(at)
	rest, filter, filtered := strings.Cut(rest, "?")
	name, letters, ok := strings.Cut(rest, ".")
	if !ok {
		return Scope{}, "It does not say what is permitted, as in " + context + "/" + name + ".rs."
	}
	if name != "*" {
		if s.Type = fhir.Type(name); !s.Type.Valid() {
			return Scope{}, "There is no such resource type in R4."
		}
	}
	if s.Letters = parseLetters(letters); s.Letters == 0 {
		if s.Letters = v1[letters]; s.Letters == 0 {
			return Scope{}, "What is permitted is written with letters out of cruds, in this order, or as read, write or *."
		}
		s.old = letters
	}
	if !filtered {
		return s, ""
	}
	if s.old != "" {
		return Scope{}, "Only scopes with letters, as .rs, take parameters."
	}
	if _, ok := Pairs(filter); !ok {
		return Scope{}, "Its parameters are not written name=value, joined by & and percent-encoded."
	}
	s.Filter = filter
	return s, ""
}

// Pair is one search parameter of a Filter, decoded.
type Pair struct{ Name, Value string }

// Pairs gives the search parameters of a Filter, in their order: a resource must
// satisfy them all. ok is false when they are not well formed.
func Pairs(filter string) (pairs []Pair, ok bool) {
	for part := range strings.SplitSeq(filter, "&") {
		name, value, found := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if !found || err1 != nil || err2 != nil || name == "" || value == "" {
			return nil, false
		}
		pairs = append(pairs, Pair{name, value})
	}
	return pairs, true
}
