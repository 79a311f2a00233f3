package chartmap

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/store"
)

// spread makes a resource of each element of an array of a document (each). The rules
// read, for each element, the document with the element in the place of the array: what
// MongoDB's $unwind gives.
type spread struct {
	array  string // path
	key    string // path of the element's key, within array; empty when its position is the key
	suffix string // of ids
	fields bool   // rules read fields of the elements, which must then be documents
}

// elementField is the field in which an unwound document has the key, or the position, of
// its element. No path of a chart map begins with $.
const elementField = "$element"

// unwound is what the rules read of a document of the EHR.
type unwound struct {
	doc   store.Doc
	at    store.Value // key of the element, or its position where it has none; missing for a whole document
	index int         // position of the element
}

// within gives the path within the element; the element itself is "".
func (s *spread) within(path string) (string, bool) {
	if path == s.array {
		return "", true
	}
	return strings.CutPrefix(path, s.array+".")
}

// elements lists the elements of a document that can be resources, in the order of their
// keys, and tells fault of each that cannot: of another type, with a key that is not usable, or
// with the key of another.
func (s *spread) elements(doc store.Doc, usable func(store.Value) bool, fault func()) []unwound {
	array := store.Lookup(doc, s.array)
	if array.Type != bson.TypeArray {
		if !store.Missing(array) && array.Type != bson.TypeNull {
			fault()
		}
		return nil
	}
	var out []unwound
	position := int32(-1)
	eachElement(array.Value, func(v bson.RawValue) {
		position++
		at, ok := s.keyOf(v, position)
		if !ok || !usable(at) {
			fault()
			return
		}
		out = append(out, unwound{doc: s.unwind(doc, v, at), at: at, index: int(position)})
	})
	if s.key == "" {
		return out
	}
	slices.SortStableFunc(out, func(a, b unwound) int { return store.Compare(a.at, b.at) })
	return slices.CompactFunc(out, func(a, b unwound) bool {
		twice := store.Compare(a.at, b.at) == 0
		if twice {
			fault()
		}
		return twice
	})
}

// keyOf gives the key of an element of the type that the rules read.
func (s *spread) keyOf(v bson.RawValue, position int32) (store.Value, bool) {
	if isDoc := v.Type == bson.TypeEmbeddedDocument; isDoc != s.fields || v.Type == bson.TypeArray || v.Type == bson.TypeNull {
		return store.Value{}, false
	}
	if s.key == "" {
		return store.V(position), true
	}
	if path, _ := s.within(s.key); path != "" {
		v = store.Lookup(store.Doc(v.Value), path)
	}
	return v, true
}

// unwind gives the document with an element in the place of the array.
func (s *spread) unwind(doc store.Doc, element, at store.Value) store.Doc {
	start, dst := bsoncore.AppendDocumentStart(make([]byte, 0, len(doc)))
	dst = bsoncore.AppendValueElement(dst, elementField, bsoncore.Value{Type: bsoncore.Type(at.Type), Data: at.Value})
	return endDocument(replaced(dst, doc, s.array, element), start)
}

// endDocument closes a document that was begun at start.
func endDocument(dst []byte, start int32) []byte {
	dst, err := bsoncore.AppendDocumentEnd(dst, start)
	if err != nil {
		return nil
	}
	return dst
}

// replaced appends the fields of a document, with v in the place of what is at path.
func replaced(dst []byte, doc store.Doc, path string, v store.Value) []byte {
	name, rest, deeper := strings.Cut(path, ".")
	done := false
	eachField(doc, func(e bsoncore.Element) {
		key, err := e.KeyBytesErr()
		if err != nil || string(key) != name || done {
			dst = append(dst, e...)
			return
		}
		done = true
		if !deeper {
			dst = bsoncore.AppendValueElement(dst, name, bsoncore.Value{Type: bsoncore.Type(v.Type), Data: v.Value})
			return
		}
		inner, err := e.ValueErr()
		if err != nil {
			return
		}
		var start int32
		start, dst = bsoncore.AppendDocumentElementStart(dst, name)
		dst = endDocument(replaced(dst, store.Doc(inner.Data), rest, v), start)
	})
	return dst
}

// eachField calls f for the fields of a document.
func eachField(doc []byte, f func(bsoncore.Element)) {
	if len(doc) < 5 {
		return
	}
	rest := doc[4 : len(doc)-1]
	for len(rest) > 0 {
		e, tail, ok := bsoncore.ReadElement(rest)
		if !ok {
			return
		}
		rest = tail
		f(e)
	}
}

// lift turns a condition on unwound documents into one that every document with an
// element like that satisfies: what is asked of the element is asked of one and the same.
func (s *spread) lift(f store.Filter) store.Filter {
	any := alternatives(f, false)
	if any == nil { // too many: each part for itself
		return s.apart(f, false)
	}
	for i, g := range any {
		any[i] = s.together(g)
	}
	return disjunction(any)
}

// apart lifts the parts of a condition one by one.
func (s *spread) apart(f store.Filter, negated bool) store.Filter {
	var parts []store.Filter
	isOr := negated
	switch f := f.(type) {
	case store.Not:
		return s.apart(f.Filter, !negated)
	case store.And:
		parts = f
	case store.Or:
		parts, isOr = f, !negated
	default:
		if negated {
			f = store.Not{Filter: f}
		}
		return s.together(f)
	}
	out := make([]store.Filter, len(parts))
	for i, p := range parts {
		out[i] = s.apart(p, negated)
	}
	if isOr {
		return disjunction(out)
	}
	return conjunction(out)
}

// together lifts a conjunction.
func (s *spread) together(f store.Filter) store.Filter {
	parts, many := f.(store.And)
	if !many {
		parts = store.And{f}
	}
	var ofDoc, ofElement []store.Filter
	for _, p := range parts {
		leaf, negated := p, false
		if n, ok := p.(store.Not); ok {
			leaf, negated = n.Filter, true
		}
		path := pathOf(leaf)
		within, inside := s.within(path)
		switch {
		case path == elementField:
			if eq, ok := leaf.(store.Eq); ok && !negated {
				n, _ := whole(eq.Value)
				ofDoc = append(ofDoc, store.Exists{Path: s.array + "." + strconv.FormatInt(n, 10), Want: true})
			}
		case inside && within == "" && isElem(leaf): // an element is no array
			if !negated {
				return store.None()
			}
		case inside && within == "" && s.fields, inside && isGuard(p): // it is a document; what is found is looked at again
		case inside:
			leaf = store.WithPath(leaf, within)
			if negated {
				leaf = store.Not{Filter: leaf}
			}
			ofElement = append(ofElement, leaf)
		case strings.HasPrefix(s.array, path+".") && !isGuard(p):
		default:
			ofDoc = append(ofDoc, p)
		}
	}
	one := conjunction(telling(ofElement))
	if all(one) {
		one = store.Exists{Want: true}
	}
	return conjunction(append(ofDoc, store.Elem{Path: s.array, Where: one}))
}

// telling keeps of what is asked of a field what says most: what it equals, or both ends of a range,
// or else one condition. The store is to find few documents, and what it finds is looked at again; and not
// all servers take several conditions on a field of an element.
func telling(parts []store.Filter) []store.Filter {
	weight := func(f store.Filter) int {
		switch f := f.(type) {
		case store.Eq, store.In:
			return 5
		case store.Range:
			if f.Low != nil && f.High != nil {
				return 4
			}
			return 3
		case store.Not:
			if _, is := f.Filter.(store.Contains); is { // that there is no white space in it, and the like
				return 0
			}
			return 1
		}
		return 2
	}
	best := map[string]store.Filter{}
	var order []string
	for _, f := range parts {
		path := pathOf(f)
		have, ok := best[path]
		if !ok {
			order = append(order, path)
		}
		one, isRange := f.(store.Range)
		other, both := have.(store.Range)
		switch {
		case isRange && both && one.Low == nil && other.High == nil:
			best[path] = store.Range{Path: path, Low: other.Low, High: one.High}
		case isRange && both && one.High == nil && other.Low == nil:
			best[path] = store.Range{Path: path, Low: one.Low, High: other.High}
		case !ok || weight(f) > weight(have):
			best[path] = f
		}
	}
	var out []store.Filter
	for _, path := range order {
		if f := best[path]; weight(f) > 0 {
			out = append(out, f)
		}
	}
	return out
}

func isElem(f store.Filter) bool { _, ok := f.(store.Elem); return ok }

// pathOf gives the path of a condition on one field; empty for others.
func pathOf(f store.Filter) (path string) {
	store.EachPath(f, func(p string) { path = p })
	return path
}

// is holds for one element.
func (s *spread) is(at store.Value) cond {
	if s.key != "" {
		return exactly{store.Eq{Path: s.key, Value: at}}
	}
	return roughly{store.Eq{Path: elementField, Value: at}, func(doc store.Doc) bool {
		return store.Compare(store.Lookup(doc, elementField), at) == 0
	}}
}
