package chartmap

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/store"
)

// scope is where the paths of rules start: a document, or an element of an array
// ($each). It numbers the top-level fields that rules read, so that one pass
// over a document finds them all.
type scope struct {
	index map[string]int
	names []string
	paths []string // whole
	elem  bool
}

func newScope(elem bool) *scope { return &scope{index: map[string]int{}, elem: elem} }

// self is the path of an array element that is itself the value.
const self = "."

// field registers a path.
func (s *scope) field(path string) ref {
	if path == self {
		return ref{top: -1, elem: true}
	}
	if !slices.Contains(s.paths, path) {
		s.paths = append(s.paths, path)
	}
	name, rest, _ := strings.Cut(path, ".")
	return ref{top: s.top(name), rest: rest, path: path, elem: s.elem}
}

// hidden registers a field that no rule can name.
func (s *scope) hidden(name string) ref { return ref{top: s.top(name), path: name} }

// top numbers a field.
func (s *scope) top(name string) int {
	i, ok := s.index[name]
	if !ok {
		i = len(s.names)
		s.index[name] = i
		s.names = append(s.names, name)
	}
	return i
}

// ref is a place in a scope.
type ref struct {
	top  int
	rest string // path within the top-level field
	path string // the whole path; "" for the element itself
	elem bool   // within an array element
}

// frame holds the fields of one document or element that rules may read.
type frame struct {
	self   bson.RawValue
	values []bson.RawValue
}

// value gives what stands at r; null and missing are both the zero value.
func (f *frame) value(r ref) bson.RawValue {
	v := f.self
	if r.top >= 0 {
		v = f.values[r.top]
		if r.rest != "" {
			if v.Type != bson.TypeEmbeddedDocument {
				return bson.RawValue{}
			}
			v = store.Lookup(store.Doc(v.Value), r.rest)
		}
	}
	if v.Type == bson.TypeNull || v.Type == bson.TypeUndefined {
		return bson.RawValue{}
	}
	return v
}

// fill reads the top-level fields of doc into values, which are zero.
func (s *scope) fill(doc []byte, values []bson.RawValue) {
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
		key, err := e.KeyBytesErr()
		if err != nil {
			return
		}
		i, known := s.index[string(key)]
		if !known || values[i].Type != 0 {
			continue
		}
		v, err := e.ValueErr()
		if err != nil {
			return
		}
		values[i] = bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}
	}
}

// scalar guards a condition on the value at r, so that it holds only where
// frame.value would give that value: not through or of arrays.
func (r ref) scalar(fs ...store.Filter) store.Filter {
	if r.path == "" {
		return conjunction(fs)
	}
	return conjunction(append(fs, r.parents(), guard(r.path)))
}

func (r ref) eq(v store.Value) store.Filter { return r.scalar(store.Eq{Path: r.path, Value: v}) }

// missing holds where frame.value gives the zero value because the field is
// not there or null.
func (r ref) missing() store.Filter { return r.eq(store.Null()) }

func (r ref) in(vs []store.Value) store.Filter {
	switch len(vs) {
	case 0:
		return store.None()
	case 1:
		return r.eq(vs[0])
	}
	return r.scalar(store.In{Path: r.path, Values: vs})
}

// between is the range low ≤ v < high; nil leaves an end open.
func (r ref) between(low, high any) store.Filter {
	f := store.Range{Path: r.path}
	if low != nil {
		f.Low = &store.Bound{Value: store.V(low), Inclusive: true}
	}
	if high != nil {
		f.High = &store.Bound{Value: store.V(high)}
	}
	return r.scalar(f)
}

// text holds where the value is a string that is not empty.
func (r ref) text() store.Filter {
	return r.scalar(store.Range{Path: r.path, Low: &store.Bound{Value: store.String("")}})
}

// textOf gives the bytes of a string that is not empty.
func textOf(v bson.RawValue) ([]byte, bool) {
	if v.Type != bson.TypeString && v.Type != bson.TypeSymbol || len(v.Value) < 6 {
		return nil, false
	}
	return v.Value[4 : len(v.Value)-1], true
}

// parents guards the way to r, but not r itself.
func (r ref) parents() store.Filter {
	var fs []store.Filter
	for i := range len(r.path) {
		if r.path[i] == '.' {
			fs = append(fs, guard(r.path[:i]))
		}
	}
	return conjunction(fs)
}

// eachElement calls f for the elements of an array.
func eachElement(array []byte, f func(bson.RawValue)) {
	eachField(array, func(e bsoncore.Element) {
		if v, err := e.ValueErr(); err == nil {
			f(bson.RawValue{Type: bson.Type(v.Type), Value: v.Data})
		}
	})
}
