package chartmap

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// seen gives what the rules of a branch read of a document for a resource; nothing where the
// document is gone, or has no such element any more.
func (p *planner) seen(b *branch, doc store.Doc, key fhir.Key) unwound {
	if b.each == nil || doc == nil {
		return unwound{doc: doc}
	}
	ids := p.Map.types[key.Type].ids
	what, ok := ids.parseIdent(key.ID)
	if !ok {
		return unwound{}
	}
	for _, item := range b.items(doc, ids, func() {}) {
		if store.Compare(item.at, what.elem) == 0 {
			return item
		}
	}
	return unwound{}
}

// placed turns what was put into an unwound document into an update of the document that it
// was made of: the fields of the element at its position, on the condition that the element with
// this key stands there.
func (s *spread) placed(w *writer, seen unwound) store.Op {
	op := store.Op{Kind: store.Update}
	for _, f := range w.set {
		op.Set = append(op.Set, store.Field{Path: s.at(f.Path, seen.index), Value: f.Value})
	}
	for _, path := range w.unset {
		op.Unset = append(op.Unset, s.at(path, seen.index))
	}
	for i := range w.expects {
		w.expects[i].Path = s.at(w.expects[i].Path, seen.index)
	}
	key := s.at(s.key, seen.index)
	op.If = conjunction(append(w.expected(), store.Eq{Path: key, Value: seen.at}))
	if len(op.Set)+len(op.Unset) == 0 { // only its overlay changes
		op.Set = []store.Field{{Path: key, Value: seen.at}}
	}
	return op
}

// at gives the path in the document of one in the element at a position.
func (s *spread) at(path string, index int) string {
	within, inside := s.within(path)
	switch {
	case !inside:
		return path
	case within == "":
		return s.array + "." + strconv.Itoa(index)
	}
	return s.array + "." + strconv.Itoa(index) + "." + within
}

// located gives the path in a document of one that the rules read, and what stands there;
// index is the position of the element.
func (m *Mapping) located(doc store.Doc, path string, index int) (string, store.Value) {
	if m.each != nil {
		if within, inside := m.each.within(path); inside {
			return m.each.at(path, index), store.Lookup(m.each.element(doc, index), within)
		}
	}
	return path, store.Lookup(doc, path)
}

// element gives one element, if it is a document.
func (s *spread) element(doc store.Doc, index int) (out store.Doc) {
	array := store.Lookup(doc, s.array)
	if array.Type != bson.TypeArray {
		return nil
	}
	eachElement(array.Value, func(v bson.RawValue) {
		if index == 0 && v.Type == bson.TypeEmbeddedDocument {
			out = store.Doc(v.Value)
		}
		index--
	})
	return out
}
