package patch

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
)

// operation is one operation of a JSON Patch.
type operation struct {
	op, path   string
	at, from   pointer
	value      []byte
	fromString string
}

type jsonPatch []operation

// ParseJSON reads a JSON Patch document (RFC 6902 3). The error is a *fhir.Error,
// CodeStructure or CodeInvalid, or CodeTooCostly for too many operations.
func ParseJSON(text []byte) (Patch, error) {
	var raw []struct {
		Op    *string        `json:"op"`
		Path  *string        `json:"path"`
		From  *string        `json:"from"`
		Value jsontext.Value `json:"value"`
	}
	if err := json.Unmarshal(text, &raw); err != nil || raw == nil {
		return nil, fhir.Errorf(fhir.CodeStructure, "", "The body is not a JSON Patch: a list of objects with op and path, without repeated members.").Because(err)
	}
	if len(raw) > maxOperations {
		return nil, fhir.Errorf(fhir.CodeTooCostly, "", "The patch has %d operations; at most %d are allowed.", len(raw), maxOperations)
	}
	var p jsonPatch
	var issues []fhir.Issue
	for i, r := range raw {
		o, problem := readOperation(r.Op, r.Path, r.From, r.Value)
		if problem != "" {
			issues = append(issues, fhir.Errorf(fhir.CodeInvalid, "", "Operation %d: %s", i+1, problem).Issues...)
			continue
		}
		p = append(p, o)
	}
	if len(issues) > 0 {
		return nil, &fhir.Error{Issues: issues}
	}
	return p, nil
}

// readOperation checks the members of one operation.
func readOperation(op, path, from *string, value []byte) (o operation, problem string) {
	if op == nil || path == nil {
		return o, "op and path are required."
	}
	o = operation{op: *op, path: *path, value: value}
	var ok bool
	if o.at, ok = parsePointer(o.path); !ok {
		return o, "path is not a JSON Pointer."
	}
	switch o.op {
	case "add", "replace", "test":
		if value == nil {
			return o, "value is required."
		}
		if tooDeep(value) {
			return o, "the value nests too deeply."
		}
	case "move", "copy":
		if from == nil {
			return o, "from is required."
		}
		o.fromString = *from
		if o.from, ok = parsePointer(o.fromString); !ok {
			return o, "from is not a JSON Pointer."
		}
		if o.op == "move" && o.at.startsWith(o.from) {
			return o, "nothing can be moved into itself."
		}
	case "remove":
	default:
		return o, "op must be add, remove, replace, move, copy or test."
	}
	if len(o.at) > maxDepth || len(o.from) > maxDepth {
		return o, "the path is too long."
	}
	return o, ""
}

// maxDepth bounds how far paths lead and values nest; no resource is as deep.
const maxDepth = schema.DefaultMaxDepth

func tooDeep(value []byte) bool {
	dec := jsontext.NewDecoder(bytes.NewBuffer(value))
	for {
		if _, err := dec.ReadToken(); err != nil {
			return false
		}
		if dec.StackDepth() > maxDepth {
			return true
		}
	}
}

// Apply implements [Patch].
func (p jsonPatch) Apply(body []byte) ([]byte, error) {
	was := ownedBy(body)
	doc := bytes.Clone(body)
	work := meter{left: maxWork}
	for i, o := range p {
		if err := o.allowed(); err != nil {
			return nil, err
		}
		if err := work.spend(len(doc) + len(o.value)); err != nil {
			return nil, err
		}
		next, problem := o.apply(doc)
		if problem != "" {
			return nil, fhir.Errorf(fhir.CodeValue, "", "Operation %d (%s %s): %s", i+1, o.op, o.path, problem)
		}
		doc = next
	}
	if err := work.spend(len(doc)); err != nil {
		return nil, err
	}
	return doc, was.keep(doc)
}

// allowed refuses operations aimed at what only the server sets. To test it, and
// to copy it elsewhere, is harmless.
func (o operation) allowed() error {
	targets := []pointer{o.at}
	switch o.op {
	case "test":
		return nil
	case "move":
		targets = append(targets, o.from)
	}
	for _, t := range targets {
		for _, own := range []pointer{{"id"}, {"resourceType"}, {"meta", "versionId"}, {"meta", "lastUpdated"}} {
			if slices.Equal(t, own) {
				return fixed(own[len(own)-1])
			}
		}
	}
	return nil
}

// apply carries the operation out; problem says why it cannot be.
func (o operation) apply(doc []byte) (out []byte, problem string) {
	switch o.op {
	case "test":
		at, ok := o.at.locate(doc)
		if !ok {
			return nil, "there is nothing at this path."
		}
		if !equal(at.of(doc), o.value) {
			return nil, "the value is another one."
		}
		return doc, ""
	case "add":
		return add(doc, o.at, o.value)
	case "remove":
		return remove(doc, o.at)
	case "replace":
		at, ok := o.at.locate(doc)
		if !ok {
			return nil, "there is nothing at this path."
		}
		return splice(doc, at, o.value), ""
	}
	at, ok := o.from.locate(doc)
	if !ok {
		return nil, "there is nothing at from."
	}
	value := bytes.Clone(at.of(doc))
	if o.op == "copy" {
		return add(doc, o.at, value)
	}
	if slices.Equal(o.at, o.from) {
		return doc, ""
	}
	doc, problem = remove(doc, o.from)
	if problem != "" {
		return nil, problem
	}
	return add(doc, o.at, value)
}

// add sets a member, or inserts an element before the one at the index, "-" being
// behind the last (RFC 6902 4.1).
func add(doc []byte, p pointer, value []byte) (out []byte, problem string) {
	if len(p) == 0 {
		return bytes.Clone(value), ""
	}
	parent, token := p[:len(p)-1], p[len(p)-1]
	in, ok := parent.locate(doc)
	if !ok {
		return nil, "what it would be added to is not there."
	}
	container := in.of(doc)
	switch container[0] {
	case '{':
		if at, ok := find(container, token); ok {
			return splice(doc, span{in.start + at.start, in.start + at.end}, value), ""
		}
		return splice(doc, in, insertMember(container, token, value)), ""
	case '[':
		container, ok := insertElement(container, token, value)
		if !ok {
			return nil, "there is no such place in the list."
		}
		return splice(doc, in, container), ""
	}
	return nil, "what it would be added to is neither an object nor a list."
}

// insertElement puts value before the element at the index.
func insertElement(list []byte, token string, value []byte) ([]byte, bool) {
	n, ok := index(token)
	if !ok && token != "-" {
		return nil, false
	}
	i, last := 0, -1
	for e := range entries(list) {
		if ok && i == n {
			return splice(list, span{e.value.start, e.value.start}, append(bytes.Clone(value), ',')), true
		}
		last = e.value.end
		i++
	}
	switch {
	case ok && i != n:
		return nil, false
	case last < 0:
		return splice(list, span{1, 1}, value), true
	}
	return splice(list, span{last, last}, append([]byte{','}, value...)), true
}

func remove(doc []byte, p pointer) (out []byte, problem string) {
	if len(p) == 0 {
		return nil, "the whole resource cannot be removed by a patch."
	}
	e, in, ok := p.locateEntry(doc)
	if !ok {
		return nil, "there is nothing at this path."
	}
	at := e.value
	if e.name != (span{}) {
		at.start = e.name.start
	}
	inside := span{at.start - in.start, at.end - in.start}
	return splice(doc, in, removeEntry(in.of(doc), inside)), ""
}
