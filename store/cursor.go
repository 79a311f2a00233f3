package store

import (
	"bytes"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// CompleteOrder makes order total: it ends with _id, added in the direction of
// the last key where it is not there. What would come after _id is dropped. The
// result may share order's array.
func CompleteOrder(order []Key) []Key {
	for i, k := range order {
		if k.Path == "_id" {
			return order[: i+1 : i+1]
		}
	}
	last := Key{Path: "_id"}
	if n := len(order); n > 0 {
		last.Desc = order[n-1].Desc
	}
	return append(slices.Clone(order), last)
}

// Position says where d stands under CompleteOrder(order). Where a key leads to
// an array, the position is the entry (see Entries) that comes first in that
// order: the smallest element when ascending, the greatest when descending. An
// empty array stands as undefined, below null; a missing field as null. If keys
// lead to different arrays, which MongoDB refuses to sort by, each key takes its
// own first element. For a key with Within it is what follows the prefix, and for
// what has none MaxKey or, when descending, MinKey. The values share d's bytes.
func Position(order []Key, d Doc) Cursor {
	order = CompleteOrder(order)
	if !slices.ContainsFunc(order, func(k Key) bool { return k.Within != nil }) {
		if c, err := first(order, d); err == nil {
			return c
		}
	}
	var c Cursor
	for i, k := range order {
		if k.Within != nil {
			c = append(c, k.Within.first(field(d, k.Path), k.Desc))
			continue
		}
		part, _ := first(order[i:i+1], d) // one key has no parallel arrays
		c = append(c, part...)
	}
	return c
}

// Lacks reports whether the document at a position under order is one that
// a Within of order requires to be left out.
func Lacks(order []Key, at Cursor) bool {
	return len(order) > 0 && order[0].Within != nil && order[0].Within.Required && at[0].Type != bson.TypeString
}

// first gives what an array sorts by.
func (w *Within) first(array Value, desc bool) Value {
	var all [][]byte
	switch array.Type {
	case bson.TypeString: // as an array of one, which its index entry is
		all = append(all, text(array.Value))
	case bson.TypeArray:
		for elems := body(array.Value); ; {
			_, v, rest, ok := next(elems)
			if !ok {
				break
			}
			elems = rest
			if v.Type == bson.TypeString {
				all = append(all, text(v.Value))
			}
		}
	}
	return w.of(all, desc)
}

// of gives what strings sort by.
func (w *Within) of(all [][]byte, desc bool) Value {
	var best []byte
	found := false
	for _, s := range all {
		for _, st := range w.Stretches {
			tail, in := st.tail(s)
			if in && (!found || bytes.Compare(tail, best) < 0 != desc) {
				best, found = tail, true
			}
		}
	}
	switch {
	case found:
		return String(string(best))
	case desc:
		return Value{Type: bson.TypeMinKey}
	}
	return Value{Type: bson.TypeMaxKey}
}

// tail gives what follows the prefix in a string of the stretch.
func (s Stretch) tail(b []byte) (tail []byte, in bool) {
	if len(b) < len(s.Prefix) || string(b[:len(s.Prefix)]) != s.Prefix {
		return nil, false
	}
	tail = b[len(s.Prefix):]
	return tail, string(tail) >= s.Low && (s.High == "" || string(tail) < s.High)
}

func first(order []Key, d Doc) (Cursor, error) {
	var best Cursor
	err := eachEntry(order, d, func(entry []Value, _ bool) {
		switch {
		case best == nil:
			best = slices.Clone(Cursor(entry))
		case compareTuples(order, entry, best) < 0:
			copy(best, entry)
		}
	})
	return best, err
}

// ComparePositions tells which of two positions under CompleteOrder(order)
// comes first. nil is before everything.
func ComparePositions(order []Key, a, b Cursor) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return compareTuples(CompleteOrder(order), a, b)
}

func compareTuples(order []Key, a, b []Value) int {
	for i := range min(len(order), len(a), len(b)) {
		c := Compare(a[i], b[i])
		if order[i].Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// maxCursor bounds the values of a cursor, which also bounds the keys of an
// order.
const maxCursor = 32

// Marshal writes c as bytes, for page tokens. They are not authenticated.
func (c Cursor) Marshal() []byte {
	var b []byte
	for _, v := range c {
		b = append(append(b, byte(v.Type)), v.Value...)
	}
	return b
}

// UnmarshalCursor reads what Marshal wrote; no bytes are the nil Cursor. It
// takes any bytes: what is not a well-formed cursor gives ErrInvalid. Whether it
// fits an order is for the query to check. The values share b.
func UnmarshalCursor(b []byte) (Cursor, error) {
	var c Cursor
	for len(b) > 0 {
		t := bson.Type(b[0])
		n := size(t, b[1:])
		if n < 0 || len(c) == maxCursor {
			return nil, fmt.Errorf("%w: malformed cursor", ErrInvalid)
		}
		v := Value{Type: t, Value: b[1 : n+1 : n+1]}
		if !valid(v, maxDepth) {
			return nil, fmt.Errorf("%w: malformed cursor", ErrInvalid)
		}
		c = append(c, v)
		b = b[n+1:]
	}
	return c, nil
}
