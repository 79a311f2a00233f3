package store

import (
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// errParallel: two keys lead to different arrays.
var errParallel = errors.New("two keys are arrays")

// Entries gives the entries of d in ix, without duplicates, in no particular
// order: one tuple of values per entry, null for a missing field, undefined for
// an empty array at the end of a path. An array at the end of a path makes an
// entry of each element (an array within it stays whole, and so does the array
// itself nowhere appear: an Eq with an array cannot be answered from the index
// alone). Keys that lead through one array of documents are taken from the same
// element. Keys that lead to different arrays give ErrInvalid. A sparse index
// has no entry in which all fields are missing.
//
// The values share d's bytes.
func Entries(ix Index, d Doc) ([][]Value, error) {
	var found [][]Value
	var seen entryKeys
	err := EachEntry(ix, d, func(entry []Value) {
		if len(found) < fewEntries {
			for _, e := range found {
				if slices.EqualFunc(e, entry, func(a, b Value) bool { return Compare(a, b) == 0 }) {
					return
				}
			}
		} else if seen.has(found, entry) {
			return
		}
		found = append(found, slices.Clone(entry))
	})
	return found, err
}

// EachEntry calls yield with what Entries gives, with duplicates. It reuses the
// slice that it yields.
func EachEntry(ix Index, d Doc, yield func(entry []Value)) error {
	err := eachEntry(ix.Keys, d, func(entry []Value, missing bool) {
		if !missing || !ix.Sparse {
			yield(entry)
		}
	})
	if err != nil {
		return fmt.Errorf("%w: index %s: %w", ErrInvalid, ix.Name, err)
	}
	return nil
}

// fewEntries are compared with each other. More are told apart by their keys,
// so that a long array does not take time in the square of its length.
const fewEntries = 32

// entryKeys is the set of the keys of entries.
type entryKeys map[string]bool

// has reports whether entry is among found, and notes it.
func (s *entryKeys) has(found [][]Value, entry []Value) bool {
	if *s == nil {
		*s = make(entryKeys)
		for _, e := range found {
			(*s)[tupleKey(e)] = true
		}
	}
	key := tupleKey(entry)
	known := (*s)[key]
	(*s)[key] = true
	return known
}

func tupleKey(entry []Value) string {
	var key []byte
	for _, v := range entry {
		key = AppendKey(key, v, false)
	}
	return string(key)
}

// step is one key on its way into a document: either a value that was found, or
// a path that is still to go from a document.
type step struct {
	value Value
	found bool
	doc   []byte
	path  string
	open  bool // path is still to go
	array bool // value is an array, to be expanded
}

// eachEntry calls yield for every combination of values that the keys have in
// d. It reuses the slice that it yields.
func eachEntry(keys []Key, d Doc, yield func(entry []Value, missing bool)) error {
	steps := make([]step, len(keys))
	for i, k := range keys {
		steps[i] = step{doc: d, path: k.Path, open: true}
	}
	return expand(steps, make([]Value, len(keys)), yield)
}

func expand(steps []step, entry []Value, yield func([]Value, bool)) error {
	var array []byte
	further := false
	for i := range steps {
		s := &steps[i]
		s.walk()
		if !s.array {
			continue
		}
		further = further || s.open
		if array != nil && &array[0] != &s.value.Value[0] {
			return errParallel
		}
		array = s.value.Value
	}
	if array == nil {
		missing := true
		for i, s := range steps {
			entry[i] = Null()
			if s.found {
				entry[i], missing = s.value, false
			}
		}
		yield(entry, missing)
		return nil
	}
	elems := body(array)
	if _, _, _, ok := next(elems); !ok {
		return expand(into(nil, steps, Value{Type: bson.TypeUndefined}), entry, yield)
	}
	if !further {
		eachElement(steps, elems, entry, yield)
		return nil
	}
	within := make([]step, 0, len(steps))
	for {
		_, v, rest, ok := next(elems)
		if !ok {
			return nil
		}
		if err := expand(into(within, steps, v), entry, yield); err != nil {
			return err
		}
		elems = rest
	}
}

// eachElement calls yield for each of the elements of the array at which paths end.
func eachElement(steps []step, elems []byte, entry []Value, yield func([]Value, bool)) {
	for i, s := range steps {
		entry[i] = Null()
		if s.found {
			entry[i] = s.value
		}
	}
	for {
		_, v, rest, ok := next(elems)
		if !ok {
			return
		}
		for i := range steps {
			if steps[i].array {
				entry[i] = v
			}
		}
		yield(entry, false)
		elems = rest
	}
}

// into gives the steps with element v in the place of the array, in dst's memory.
func into(dst, steps []step, v Value) []step {
	steps = append(dst[:0], steps...)
	for i := range steps {
		s := &steps[i]
		if !s.array {
			continue
		}
		s.array = false
		if !s.open {
			s.value = v
			continue
		}
		s.found, s.value = false, Value{}
		if v.Type != bson.TypeEmbeddedDocument {
			s.open = false
			continue
		}
		s.doc = v.Value
	}
	return steps
}

// walk follows the path to its end or to an array.
func (s *step) walk() {
	for s.open {
		part, rest, more := cutPath(s.path)
		v := field(s.doc, part)
		s.path, s.open = rest, more
		for v.Type == bson.TypeArray && more {
			// A number is a position where there is one.
			index, after, further := cutPath(s.path)
			e, ok := element(v.Value, index)
			if !ok {
				s.value, s.found, s.array = v, true, true
				return
			}
			v, more = e, further
			s.path, s.open = after, further
		}
		switch {
		case !more:
			s.value, s.found = v, !Missing(v)
			s.array = v.Type == bson.TypeArray
			return
		case v.Type != bson.TypeEmbeddedDocument:
			s.open = false
			return
		}
		s.doc = v.Value
	}
}

// element gives the element of an array at the position that part means.
func element(array []byte, part string) (Value, bool) {
	at := position(part)
	if at < 0 {
		return Value{}, false
	}
	elems := body(array)
	for i := 0; ; i++ {
		_, v, rest, ok := next(elems)
		if !ok {
			return Value{}, false
		}
		if i == at {
			return v, true
		}
		elems = rest
	}
}
