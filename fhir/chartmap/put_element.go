package chartmap

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/store"
)

// becoming is one element of an array as it is to be.
type becoming struct {
	raw  bson.RawValue
	from int // its place before; -1 for a new one
}

// write sets what changed: the members of elements that keep their places, on the condition
// that what the rules read of these is still what it was, so that whatever else the EHR has
// there stays, even what it writes meanwhile. Where elements came, went or moved the whole array is
// set, on the condition that it is still the same.
func (r *repeated) write(w *writer, before []place, after []becoming) {
	moved := len(before) != len(after)
	for k, e := range after {
		moved = moved || e.from != k
	}
	if moved {
		array := bsoncore.NewArrayBuilder()
		for _, e := range after {
			array.AppendValue(bsoncore.Value{Type: bsoncore.Type(e.raw.Type), Data: e.raw.Value})
		}
		w.expect(r.path, store.Lookup(w.doc, r.path))
		w.assign(r.path, store.Value{Type: bson.TypeArray, Value: array.Build()})
		return
	}
	for k, e := range before {
		if sameValue(e.raw, after[k].raw) {
			continue
		}
		at := r.path + "." + strconv.Itoa(k)
		if e.raw.Type == bson.TypeEmbeddedDocument {
			for _, name := range r.inner.names {
				w.expect(at+"."+name, store.Lookup(store.Doc(e.raw.Value), name))
			}
		} else {
			w.expect(at, e.raw)
		}
		w.differ(at, e.raw, after[k].raw)
	}
}

// expect makes the change depend on that a field still has a value, or is missing.
func (w *writer) expect(path string, v store.Value) {
	w.expects = append(w.expects, store.Field{Path: path, Value: v})
}

// expected is what the change depends on.
func (w *writer) expected() []store.Filter {
	var out []store.Filter
	for _, f := range w.expects {
		if store.Missing(f.Value) {
			out = append(out, store.Exists{Path: f.Path, Want: false})
			continue
		}
		out = append(out, store.Eq(f))
	}
	return out
}

// differ sets and unsets what makes one value of another: member by member in documents, and in
// arrays of the same length.
func (w *writer) differ(path string, before, after bson.RawValue) {
	if sameValue(before, after) {
		return
	}
	was, is, ok := members(before, after)
	if !ok {
		w.assign(path, after)
		return
	}
	for _, e := range is {
		if i := slices.IndexFunc(was, func(o bson.RawElement) bool { return o.Key() == e.Key() }); i >= 0 {
			w.differ(path+"."+e.Key(), was[i].Value(), e.Value())
			continue
		}
		w.assign(path+"."+e.Key(), e.Value())
	}
	for _, e := range was {
		if !slices.ContainsFunc(is, func(o bson.RawElement) bool { return o.Key() == e.Key() }) {
			w.unset = append(w.unset, path+"."+e.Key())
		}
	}
}

// members gives those of two documents, or the elements of two arrays, when each can be
// changed by its path.
func members(a, b bson.RawValue) (was, is []bson.RawElement, ok bool) {
	if a.Type != b.Type || a.Type != bson.TypeEmbeddedDocument && a.Type != bson.TypeArray {
		return nil, nil, false
	}
	was, err1 := bson.Raw(a.Value).Elements()
	is, err2 := bson.Raw(b.Value).Elements()
	if err1 != nil || err2 != nil || a.Type == bson.TypeArray && len(was) != len(is) {
		return nil, nil, false
	}
	return was, is, addressable(was) && addressable(is)
}

// addressable reports whether paths lead to all members.
func addressable(elements []bson.RawElement) bool {
	seen := make(map[string]bool, len(elements))
	for _, e := range elements {
		name := e.Key()
		if name == "" || name[0] == '$' || strings.Contains(name, ".") || seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}
