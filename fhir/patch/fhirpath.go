package patch

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
)

// maxSteps bounds the evaluation of one path.
const maxSteps = 20_000

// change is one operation of a FHIRPath Patch.
type change struct {
	kind                       string // add, insert, delete, replace, move
	path                       *path.Expr
	name                       string // of the element that add adds
	value                      *value
	index, source, destination int // -1 when not given
}

type pathPatch []change

// Apply implements [Patch].
func (p pathPatch) Apply(body []byte) ([]byte, error) {
	was := ownedBy(body)
	work := meter{left: maxWork}
	for i, c := range p {
		if err := work.spend(len(body)); err != nil {
			return nil, err
		}
		next, err := c.apply(body)
		if err != nil {
			return nil, c.explain(i, err)
		}
		body = next
	}
	if err := work.spend(len(body)); err != nil {
		return nil, err
	}
	return body, was.keep(body)
}

// problem says why a change cannot be made to this resource.
type problem string

// Error implements error.
func (p problem) Error() string { return string(p) }

// explain makes err something for the client.
func (c change) explain(i int, err error) error {
	var p problem
	var told *fhir.Error
	switch {
	case errors.As(err, &told):
		return err
	case errors.As(err, &p):
		return fhir.Errorf(fhir.CodeValue, "", "Operation %d (%s %s): %s", i+1, c.kind, c.path, p)
	case errors.Is(err, path.ErrTooCostly):
		return fhir.Errorf(fhir.CodeTooCostly, "", "Operation %d (%s): the path takes too many steps to evaluate.", i+1, c.kind)
	}
	return fhir.Errorf(fhir.CodeValue, "", "Operation %d (%s %s): the path cannot be evaluated on this resource.", i+1, c.kind, c.path).Because(err)
}

func (c change) apply(body []byte) ([]byte, error) {
	doc, err := path.NewDoc(body, schema.Model{})
	if err != nil {
		return nil, err
	}
	hits, err := c.path.Eval(&path.Env{MaxSteps: maxSteps}, doc.Root())
	if err != nil {
		return nil, err
	}
	switch {
	case c.kind == "insert" && len(hits) == 0:
		return c.insertFirst(body, doc)
	case c.kind == "insert" || c.kind == "move":
		return c.applyToList(body, hits)
	case c.kind == "delete" && len(hits) == 0:
		return body, nil
	case len(hits) != 1:
		return nil, problem("the path must lead to one element, it leads to " + strconv.Itoa(len(hits)) + ".")
	}
	at, err := place(hits[0])
	if err != nil {
		return nil, err
	}
	if c.kind == "add" {
		return c.add(body, at)
	}
	if len(at) == 0 {
		return nil, problem("the resource as a whole cannot be changed in this way.")
	}
	last := at[len(at)-1]
	if fixedPlace(at) {
		return nil, fixed(last.name)
	}
	return within(body, at[:len(at)-1], func(object []byte, typ string) ([]byte, error) {
		m, ok := memberOf(object, typ, last.name)
		if !ok || last.index >= len(m.slots) {
			return nil, problem("the path leads nowhere.")
		}
		if c.kind == "delete" {
			m.slots = slices.Delete(slices.Clone(m.slots), last.index, last.index+1)
			return m.write(object), nil
		}
		return c.replace(object, typ, m, last.index)
	})
}

// replace puts the value in the place of one element; of a choice it may be another
// variant.
func (c change) replace(object []byte, typ string, m member, i int) ([]byte, error) {
	element, new, err := c.value.as(typ, m.Name)
	if err != nil {
		return nil, err
	}
	if element.Member != m.Member {
		object = member{Element: m.Element}.write(object)
		return member{element, []slot{new}}.write(object), nil
	}
	m.slots = slices.Clone(m.slots)
	m.slots[i] = new
	return m.write(object), nil
}

// add appends to a list, or sets what is not there yet.
func (c change) add(body []byte, at []step) ([]byte, error) {
	if fixedPlace(append(slices.Clone(at), step{name: c.name})) {
		return nil, fixed(c.name)
	}
	return within(body, at, func(object []byte, typ string) ([]byte, error) {
		return c.value.addTo(object, typ, c.name, func(name string) problem {
			return problem("there is a " + name + " already. Use replace to change it.")
		})
	})
}

// insertFirst inserts into a list that has no elements yet: the last name of the
// path is then what the list will be called.
func (c change) insertFirst(body []byte, doc *path.Doc) ([]byte, error) {
	list, ok := c.path.Root.(*path.Member)
	if !ok || list.Input == nil {
		return nil, problem("the path leads nowhere.")
	}
	parents, err := (&path.Expr{Root: list.Input}).Eval(&path.Env{MaxSteps: maxSteps}, doc.Root())
	if err != nil {
		return nil, err
	}
	if len(parents) != 1 || c.index != 0 {
		return nil, problem("the path leads nowhere, or to an empty list into which can be inserted at 0 only.")
	}
	at, err := place(parents[0])
	if err != nil {
		return nil, err
	}
	return within(body, at, func(object []byte, typ string) ([]byte, error) {
		element, new, err := c.value.as(typ, list.Name)
		if err != nil {
			return nil, err
		}
		if !element.Many {
			return nil, problem(element.Name + " is no list.")
		}
		return member{element, []slot{new}}.write(object), nil
	})
}

// applyToList inserts into, or moves within, the list that the hits are.
func (c change) applyToList(body []byte, hits path.Collection) ([]byte, error) {
	if len(hits) == 0 {
		return nil, problem("the path leads nowhere.")
	}
	at, err := place(hits[0])
	if err != nil {
		return nil, err
	}
	if len(at) == 0 {
		return nil, problem("the path must lead to a list.")
	}
	last := at[len(at)-1]
	for i, hit := range hits {
		other, err := place(hit)
		if err != nil {
			return nil, err
		}
		if len(other) != len(at) || !slices.Equal(other[:len(at)-1], at[:len(at)-1]) || other[len(at)-1] != (step{last.name, i}) {
			return nil, problem("the path must lead to all elements of one list.")
		}
	}
	return within(body, at[:len(at)-1], func(object []byte, typ string) ([]byte, error) {
		m, ok := memberOf(object, typ, last.name)
		if !ok || !m.Many || len(m.slots) != len(hits) {
			return nil, problem("the path must lead to all elements of one list.")
		}
		m.slots = slices.Clone(m.slots)
		if c.kind == "move" {
			if c.source >= len(m.slots) || c.destination >= len(m.slots) {
				return nil, problem("the list has " + strconv.Itoa(len(m.slots)) + " elements.")
			}
			moved := m.slots[c.source]
			m.slots = slices.Delete(m.slots, c.source, c.source+1)
			m.slots = slices.Insert(m.slots, c.destination, moved)
			return m.write(object), nil
		}
		if c.index > len(m.slots) {
			return nil, problem("the list has " + strconv.Itoa(len(m.slots)) + " elements.")
		}
		_, new, err := c.value.as(typ, m.Name)
		if err != nil {
			return nil, err
		}
		m.slots = slices.Insert(m.slots, c.index, new)
		return m.write(object), nil
	})
}

// step is one name on the way from the resource to an element; index is 0 for
// what is not in a list.
type step struct {
	name  string
	index int
}

// place gives the way to an element of the document.
func place(it path.Item) ([]step, error) {
	text := it.Path()
	if text == "" {
		return nil, problem("the path must lead to an element of the resource, not to something computed.")
	}
	var steps []step
	for i, part := range strings.Split(text, ".") {
		if i == 0 {
			continue // the type
		}
		name, rest, ok := strings.Cut(part, "[")
		s := step{name: name}
		if ok {
			s.index, _ = strconv.Atoi(strings.TrimSuffix(rest, "]"))
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// fixedPlace reports whether a place is the server's.
func fixedPlace(at []step) bool {
	switch len(at) {
	case 1:
		return at[0].name == "id" || at[0].name == "resourceType"
	case 2:
		return at[0].name == "meta" && (at[1].name == "versionId" || at[1].name == "lastUpdated")
	}
	return false
}

// within has the object at the end of a way changed. That of a primitive is its
// companion.
func within(body []byte, at []step, edit func(object []byte, typ string) ([]byte, error)) ([]byte, error) {
	return descend(body, textOf(body, "resourceType"), at, edit)
}

func descend(object []byte, typ string, at []step, edit func(object []byte, typ string) ([]byte, error)) ([]byte, error) {
	if len(at) == 0 {
		return edit(object, typ)
	}
	m, ok := memberOf(object, typ, at[0].name)
	i := at[0].index
	if !ok || i >= len(m.slots) {
		return nil, problem("the path leads nowhere.")
	}
	s := m.slots[i]
	if len(s.value) == 0 || s.value[0] != '{' {
		inner := s.companion
		if inner == nil {
			inner = []byte("{}")
		}
		changed, err := descend(inner, "Element", at[1:], edit)
		if err != nil {
			return nil, err
		}
		m.slots[i].companion = changed
		if empty(changed) {
			m.slots[i].companion = nil
		}
		if s.value == nil && m.slots[i].companion == nil {
			m.slots = slices.Delete(m.slots, i, i+1)
		}
		return m.write(object), nil
	}
	inner := m.Type
	if kind := textOf(s.value, "resourceType"); kind != "" {
		inner = kind
	}
	changed, err := descend(s.value, inner, at[1:], edit)
	if err != nil {
		return nil, err
	}
	if empty(changed) { // what has no content is not there (R4 2.6.1)
		m.slots = slices.Delete(m.slots, i, i+1)
		return m.write(object), nil
	}
	return splice(object, valueSpan(object, m, i), changed), nil
}

// empty reports whether an object has no members.
func empty(object []byte) bool {
	for range entries(object) {
		return false
	}
	return true
}

// valueSpan finds the text of one value of a member, so that what stands around it
// stays as it is.
func valueSpan(object []byte, m member, i int) span {
	at, _ := find(object, m.Member)
	if object[at.start] != '[' {
		return at
	}
	for e := range entries(at.of(object)) {
		if i == 0 {
			return span{at.start + e.value.start, at.start + e.value.end}
		}
		i--
	}
	return at
}
