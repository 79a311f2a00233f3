package chartmap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// encoder writes resources.
type encoder struct {
	buf    []byte
	base   string // FHIR base URL
	types  map[fhir.Type]*served
	report func(Fault)
	faults []Fault // that were reported of what is being written
	frames []bson.RawValue
	marks  *marks // where what does not come from the document is noted; nil for nowhere

	// What is being written: a branch of a document.
	doc     store.Doc
	mapping *Mapping // of frame and version
	branch  *branch
	key     fhir.Key
	id      bson.RawValue // key of the document
	frame   frame
	version string
}

// encode writes the resource that a branch makes of a document. It is not ok
// where the document's key cannot be an id. The encoder's memory is used again.
func (e *encoder) encode(b *branch, doc store.Doc) (fhir.Resource, bool) {
	e.open(b, doc)
	e.faults = e.faults[:0]
	var room [maxID]byte
	what := ident{key: e.id, suffix: b.suffix}
	if b.each != nil {
		what.array, what.elem = b.each.suffix, e.frame.value(b.element)
	}
	id, ok := e.types[b.Resource].ids.appendIdent(room[:0], what)
	e.key = fhir.Key{Type: b.Resource, ID: string(id)}
	res := fhir.Resource{Key: e.key, Version: e.version}
	counted := e.version != ""
	if !ok {
		e.malformed(&origin{b.Line, string(b.Resource) + ".id"})
		return res, false
	}
	e.buf = append(append(e.buf[:0], `{"resourceType":"`...), b.Resource...)
	e.buf = append(append(e.buf, `","id":"`...), res.ID...)
	e.buf = append(e.buf, `","meta":{"versionId":"`...)
	version := len(e.buf)
	if !counted { // its place
		e.buf = append(e.buf, "00000000000000000000000000000000"...)
	}
	e.buf = append(append(e.buf, res.Version...), '"')
	if b.updated != nil {
		if t, ok := b.updated.time(e.frame.value(b.updated.ref)); ok {
			res.Updated = t.UTC()
			e.buf = append(e.buf, `,"lastUpdated":`...)
			e.buf, _ = b.updated.append(e.buf, e.frame.value(b.updated.ref))
		}
	}
	content := len(e.buf) + 1
	if len(b.labels) > 0 {
		content = len(e.buf)
		e.buf = b.appendLabels(e.buf, doc)
	}
	e.buf = append(e.buf, '}')
	b.body.getMembers(e, &e.frame)
	e.buf = append(e.buf, '}')
	if !counted {
		sum := sha256.Sum256(e.buf[content:])
		hex.Encode(e.buf[version:], sum[:16])
		res.Version = string(e.buf[version : version+32])
	}
	res.Body = bytes.Clone(e.buf)
	return res, true
}

// open finds the fields of a document, unless it did so for the branch before.
func (e *encoder) open(b *branch, doc store.Doc) {
	e.branch = b
	if e.mapping == b.Mapping && len(doc) > 0 && len(e.doc) > 0 && &doc[0] == &e.doc[0] {
		return
	}
	n := len(b.scope.names)
	e.frames = slices.Grow(e.frames[:0], n+16)
	e.frame = frame{values: e.push(n)}
	b.scope.fill(doc, e.frame.values)
	e.doc, e.mapping = doc, b.Mapping
	e.id, e.version = e.frame.value(b.id), b.versionOf(&e.frame)
}

// origin is where a rule stands: in the chart map and in the resource.
type origin struct {
	line int
	path string // "Patient.name.family"
}

// malformed reports a value that a rule cannot read.
func (e *encoder) malformed(o *origin) state {
	if e.report != nil {
		f := Fault{Map: e.branch.Name, Line: o.line, Path: o.path, Key: e.key}
		e.faults = append(e.faults, f)
		e.report(f)
	}
	return absent
}

// items gives what the rules of a map read of a document, and reports elements that no
// resource can be made of.
func (e *encoder) items(m *Mapping, doc store.Doc) []unwound {
	if m.each == nil {
		return m.items(doc, ids{}, nil)
	}
	return m.items(doc, e.types[m.Resource].ids, func() { e.unreadable(m, store.Lookup(doc, m.id.path)) })
}

// unreadable reports that no resource can be made of a group, or of an element.
func (e *encoder) unreadable(m *Mapping, key store.Value) {
	if e.report == nil {
		return
	}
	id, _ := e.types[m.Resource].ids.append(nil, key, "")
	e.report(Fault{Map: m.Name, Line: m.Line, Path: string(m.Resource), Key: fhir.Key{Type: m.Resource, ID: string(id)}})
}

// mark notes where what a lens wrote from start on comes from.
func (e *encoder) mark(start int, got state, l lens) {
	if e.marks == nil {
		return
	}
	_, isDerived := l.(derived)
	switch {
	case got == absent:
		e.marks.drop(start)
	case isDerived:
		e.marks.set(start, byDerivation)
	case got == filler:
		e.marks.set(start, byRule)
	}
}

// push makes room for n values of a frame.
func (e *encoder) push(n int) []bson.RawValue {
	start := len(e.frames)
	for range n {
		e.frames = append(e.frames, bson.RawValue{})
	}
	return e.frames[start : start+n : start+n]
}

func (e *encoder) pop(n int) { e.frames = e.frames[:len(e.frames)-n] }

// versionOf gives the version that the EHR counts; "" where there is none, and the
// version is a hash of the resource.
func (m *Mapping) versionOf(f *frame) string {
	if m.version.path == "" {
		return ""
	}
	var room [maxID]byte
	v, ok := (ids{}).append(room[:0], f.value(m.version), "")
	if !ok {
		return ""
	}
	return string(v)
}
