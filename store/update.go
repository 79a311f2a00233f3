package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxBackfill is how far beyond its end an array may be set, as in MongoDB.
const maxBackfill = 1_500_000

// Updated gives d with fields set and unset as MongoDB's $set and $unset do,
// and everything else as it was, byte for byte. A part of a path that is a
// number addresses the element of an array; beyond its end the array is filled
// up with null. Missing parents come into being as documents. New fields go to
// the end, in the order of their paths. Unsetting an array element makes it
// null, unsetting what is not there does nothing.
//
// ErrInvalid when a path is malformed, concerns _id, is given twice or lies
// within another, when a value is missing or malformed, or when a path to be set
// leads through anything but documents and array elements. ErrTooLarge when
// the result is larger than MaxDocument. d is not changed, though the
// result may be d where nothing changes.
func Updated(d Doc, set []Field, unset []string) (Doc, error) {
	changes, err := plan(set, unset)
	if err != nil {
		return nil, err
	}
	out := []byte(d)
	for _, c := range changes {
		out, err = c.apply(out, false, c.parts)
		if err != nil {
			return nil, err
		}
		if len(out) > MaxDocument {
			return nil, ErrTooLarge
		}
	}
	return out, nil
}

// change is one path to set, or to unset where value is missing.
type change struct {
	parts []string
	value Value
}

// plan checks the changes and sorts them by path, which is the order in which
// MongoDB adds new fields.
func plan(set []Field, unset []string) ([]change, error) {
	changes := make([]change, 0, len(set)+len(unset))
	for _, f := range set {
		parts := strings.Split(f.Path, ".")
		if !valid(f.Value, maxDepth-len(parts)) {
			return nil, fmt.Errorf("%w: no proper value to set %q to", ErrInvalid, f.Path)
		}
		changes = append(changes, change{parts, f.Value})
	}
	for _, path := range unset {
		changes = append(changes, change{strings.Split(path, "."), Value{}})
	}
	for _, c := range changes {
		path := strings.Join(c.parts, ".")
		if err := checkPath(path); err != nil {
			return nil, err
		}
		if c.parts[0] == "_id" {
			return nil, fmt.Errorf("%w: an _id cannot be changed", ErrInvalid)
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return slices.CompareFunc(a.parts, b.parts, compareParts) })
	for i := 1; i < len(changes); i++ {
		// Sorted, a path stands right before those within it.
		a, b := changes[i-1].parts, changes[i].parts
		if len(a) <= len(b) && slices.Equal(a, b[:len(a)]) {
			return nil, fmt.Errorf("%w: path %q is changed twice", ErrInvalid, strings.Join(a, "."))
		}
	}
	return changes, nil
}

// compareParts orders positions as numbers before names.
func compareParts(a, b string) int {
	i, j := position(a), position(b)
	switch {
	case i >= 0 && j >= 0:
		return cmp.Compare(i, j)
	case i >= 0:
		return -1
	case j >= 0:
		return 1
	}
	return strings.Compare(a, b)
}

// apply gives doc, a document or an array, with the change made at parts.
func (c change) apply(doc []byte, array bool, parts []string) ([]byte, error) {
	if size(bson.TypeEmbeddedDocument, doc) != len(doc) {
		return nil, fmt.Errorf("%w: malformed document", ErrInvalid)
	}
	at := position(parts[0])
	if array && at < 0 {
		return c.noWay(doc)
	}
	out := make([]byte, 4, len(doc)+len(c.value.Value)+len(parts[0])+16)
	elems := body(doc)
	i, done := 0, false
	for len(elems) > 0 {
		name, v, rest, ok := next(elems)
		if !ok {
			return nil, fmt.Errorf("%w: malformed document", ErrInvalid)
		}
		here := elems[:len(elems)-len(rest)]
		elems = rest
		if done || array && i != at || !array && string(name) != parts[0] {
			out = append(out, here...)
			i++
			continue
		}
		done = true
		w, keep, err := c.replaced(v, array, parts)
		if err != nil {
			return nil, err
		}
		if keep {
			out = appendElement(out, string(name), w)
		}
		i++
	}
	switch {
	case done:
	case Missing(c.value):
		return doc, nil
	case array:
		if at-i > maxBackfill {
			return nil, fmt.Errorf("%w: position %d is too far beyond the array", ErrInvalid, at)
		}
		for ; i < at; i++ {
			out = appendElement(out, strconv.Itoa(i), Null())
		}
		fallthrough
	default:
		out = appendElement(out, parts[0], nested(parts[1:], c.value))
	}
	return closeDoc(out), nil
}

// replaced gives what stands in the place of v, if anything.
func (c change) replaced(v Value, array bool, parts []string) (w Value, keep bool, err error) {
	if len(parts) == 1 {
		if !Missing(c.value) {
			return c.value, true, nil
		}
		return Null(), array, nil
	}
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		if Missing(c.value) {
			return v, true, nil
		}
		return Value{}, false, fmt.Errorf("%w: a path to set leads through a value that is no document", ErrInvalid)
	}
	inner, err := c.apply(v.Value, v.Type == bson.TypeArray, parts[1:])
	return Value{Type: v.Type, Value: inner}, true, err
}

// noWay is for a name that is looked for in an array.
func (c change) noWay(array []byte) ([]byte, error) {
	if Missing(c.value) {
		return array, nil
	}
	return nil, fmt.Errorf("%w: a path to set leads into an array by a name", ErrInvalid)
}

// nested wraps v in one document per part.
func nested(parts []string, v Value) Value {
	for _, part := range slices.Backward(parts) {
		b := appendElement(make([]byte, 4, len(v.Value)+len(part)+8), part, v)
		v = Value{Type: bson.TypeEmbeddedDocument, Value: closeDoc(b)}
	}
	return v
}

func appendElement(dst []byte, name string, v Value) []byte {
	dst = append(dst, byte(v.Type))
	dst = append(dst, name...)
	dst = append(dst, 0)
	return append(dst, v.Value...)
}

// closeDoc ends a document whose first four bytes were left for its length.
func closeDoc(b []byte) []byte {
	b = append(b, 0)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

// Project gives d with only the named top-level fields and its _id, in d's
// order. nil means all of them: the result is then d itself, else a copy.
func Project(d Doc, fields []string) Doc {
	if fields == nil {
		return d
	}
	out := make([]byte, 4, max(5, min(len(d), 4<<10)))
	at := 0
	for elems := body(d); ; {
		name, _, rest, ok := next(elems)
		if !ok {
			return closeDoc(out)
		}
		if i := find(fields, name, at); i >= 0 {
			at = i + 1
			out = append(out, elems[:len(elems)-len(rest)]...)
		} else if string(name) == "_id" {
			out = append(out, elems[:len(elems)-len(rest)]...)
		}
		elems = rest
	}
}

// find gives the place of name in names, looking first from a place on: fields
// are mostly asked for in their order.
func find(names []string, name []byte, from int) int {
	for i := from; i < len(names); i++ {
		if names[i] == string(name) {
			return i
		}
	}
	for i := range min(from, len(names)) {
		if names[i] == string(name) {
			return i
		}
	}
	return -1
}
