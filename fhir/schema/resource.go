package schema

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

const typeMember = "resourceType"

// fragment is a reference to a contained resource that is resolved when the
// containing resource ends.
type fragment struct {
	id   []byte // within the content, or a copy
	path string // rendered only for the first MaxIssues
}

// resource reads a resource: the whole content, an entry of a Bundle, a
// parameter, or a contained one. Each but the contained is a scope for the
// references to what it contains.
func (r *run) resource(want fhir.Type, contained bool) Info {
	if contained {
		return r.resourceBody(want)
	}
	within, ids, fragments := r.contained, len(r.ids), len(r.fragments)
	r.contained = false
	info := r.resourceBody(want)
	r.resolve(r.ids[ids:], r.fragments[fragments:])
	r.contained, r.ids, r.fragments = within, r.ids[:ids], r.fragments[:fragments]
	return info
}

func (r *run) resourceBody(want fhir.Type) Info {
	k := r.peek()
	if k != '{' {
		if k != 0 {
			r.issue(fhir.CodeStructure, "a resource is a JSON object, not %s", kindName(k))
			r.skip()
		}
		return Info{}
	}
	if !r.open() {
		return Info{}
	}
	start := int(r.dec.InputOffset()) - 1
	f := frame{isResource: true, pairs: len(r.pairs)}
	var name []byte
	if r.peek() == '"' {
		name = r.name()
	}
	kind := r.resourceType(&f, &name, start, want)
	if kind == 0 {
		r.skipMembers(name)
		return Info{}
	}
	f.def = kind.def()
	if len(r.path) == 0 {
		r.push(f.def.name)
	}
	bundle := f.def.name == "Bundle"
	if bundle {
		r.bundles++
	}
	r.members(&f, name)
	if bundle {
		r.bundles--
	}
	if r.close() {
		r.finish(&f, kind)
	}
	return Info{Type: fhir.Type(f.def.name), ID: f.id}
}

// resourceType finds out what the resource is. The type may stand anywhere in
// the object (JSON members have no order), but nearly always it comes first;
// then it is consumed, and name is set to nil.
func (r *run) resourceType(f *frame, name *[]byte, start int, want fhir.Type) kind {
	var raw []byte
	if string(*name) == typeMember {
		f.typed = true
		*name = nil
		raw = r.read()
	} else {
		raw = r.lookAhead(start)
	}
	switch {
	case r.syntax != nil:
		return 0
	case raw == nil:
		r.issue(fhir.CodeStructure, "the resource has no resourceType")
		return 0
	case raw[0] != '"':
		r.issueAt(typeMember, fhir.CodeStructure, "resourceType takes a string, not %s", kindName(jsontext.Value(raw).Kind()))
		return 0
	}
	text := raw[1 : len(raw)-1] // a type with escapes is none that we know
	k := resourceKind(text)
	if k == 0 {
		r.issueAt(typeMember, fhir.CodeStructure, "%s is not a resource type of FHIR R4", quote(text))
		return 0
	}
	if want != "" && string(want) != k.def().name {
		r.issueAt(typeMember, fhir.CodeStructure, "the resource is a %s; a %s was expected", k.def().name, want)
		return 0
	}
	return k
}

// lookAhead returns the raw value of resourceType of the object that starts at
// the offset; nil when there is none before the object ends or breaks.
func (r *run) lookAhead(start int) []byte {
	r.aheadBuf = *bytes.NewBuffer(r.body[start:])
	r.ahead.Reset(&r.aheadBuf, jsontext.AllowDuplicateNames(true))
	if _, err := r.ahead.ReadToken(); err != nil {
		return nil
	}
	for r.ahead.PeekKind() == '"' {
		name, err := r.ahead.ReadValue()
		if err != nil {
			return nil
		}
		if string(name) != `"`+typeMember+`"` {
			if r.ahead.SkipValue() != nil {
				return nil
			}
			continue
		}
		value, err := r.ahead.ReadValue()
		if err != nil {
			return nil
		}
		return value
	}
	return nil
}

// members reads the members of a resource. The first name, if not nil, was read.
func (r *run) members(f *frame, name []byte) {
	for {
		if name == nil {
			if r.peek() != '"' {
				return
			}
			name = r.name()
		}
		switch {
		case name == nil:
			return
		case string(name) != typeMember:
			r.member(f, name, 0)
		case f.typed:
			r.issueAt(typeMember, fhir.CodeStructure, "resourceType is there twice")
			r.skip()
		default:
			f.typed = true
			r.skip()
		}
		name = nil
	}
}

// skipMembers passes over the rest of an object that nothing is known about.
func (r *run) skipMembers(name []byte) {
	if name != nil {
		r.skip()
	}
	for r.peek() == '"' {
		r.read()
		r.skip()
	}
	r.close()
}

// containedResource reads a resource inside another (R4 2.3.0.5).
func (r *run) containedResource() {
	if r.contained {
		r.issue(fhir.CodeStructure, "a contained resource cannot contain resources (dom-2)")
		r.skip()
		return
	}
	r.contained = true
	info := r.resource("", true)
	r.contained = false
	switch {
	case info.ID != "":
		r.ids = append(r.ids, info.ID)
	case info.Type != "":
		r.issueAt("id", fhir.CodeRequired, "a contained resource needs an id to be referenced by")
	}
}

// fragment notes a reference "#id"; "#" alone is the containing resource.
func (r *run) fragment(id []byte) {
	if len(id) == 0 {
		return
	}
	// The string that was just read ends before a quote; unless it had escapes,
	// its bytes in the content serve.
	end := int(r.dec.InputOffset()) - 1
	if same := r.body[max(0, end-len(id)):end]; bytes.Equal(same, id) {
		id = same
	} else {
		id = bytes.Clone(id)
	}
	fr := fragment{id: id}
	if len(r.fragments) < MaxIssues {
		fr.path = r.location()
	}
	r.fragments = append(r.fragments, fr)
}

// resolve checks a resource's references to what it contains.
func (r *run) resolve(ids []string, fragments []fragment) {
	if r.syntax != nil {
		return
	}
	slices.Sort(ids)
	for i := 1; i < len(ids); i++ {
		if ids[i] == ids[i-1] && (i == 1 || ids[i-2] != ids[i]) {
			r.issueAt("contained", fhir.CodeValue, "two contained resources have the id %s", quote([]byte(ids[i])))
		}
	}
	for _, fr := range fragments {
		_, ok := slices.BinarySearchFunc(ids, fr.id, func(have string, id []byte) int { return strings.Compare(have, string(id)) })
		if !ok {
			r.issueIn(fr.path, fhir.CodeValue, "there is no contained resource with the id %s", quote(fr.id))
		}
	}
}
