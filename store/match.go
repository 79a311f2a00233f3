package store

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Match reports whether d satisfies f, as MongoDB would. It reads d's bytes in
// place, allocates only for folded text beyond ASCII, and never fails: a
// malformed document reads as if it ended where the damage begins.
//
// A path part that is a number reaches the array element at that position, and
// also the field of that name in documents within the array. A path that leads
// through an array reaches the documents in it, not those in arrays within it.
// Where nothing is reached at all, as with "a.b" in {a: [1]}, even Eq null does
// not hold. Range compares only values of the same kind; NaN equals NaN and is
// in no other range; a null bound that is inclusive also takes missing fields.
func Match(f Filter, d Doc) bool {
	switch f := f.(type) {
	case nil:
		return true
	case And:
		for _, g := range f {
			if !Match(g, d) {
				return false
			}
		}
		return true
	case Or:
		for _, g := range f {
			if Match(g, d) {
				return true
			}
		}
		return false
	case Not:
		return !Match(f.Filter, d)
	case Eq:
		return reaches(d, f.Path, true, func(v Value) bool { return equal(v, f.Value) })
	case In:
		return reaches(d, f.Path, true, func(v Value) bool { return oneOf(v, f.Values) })
	case Range:
		return (f.Low == nil || reaches(d, f.Path, true, func(v Value) bool { return above(v, *f.Low) })) &&
			(f.High == nil || reaches(d, f.Path, true, func(v Value) bool { return below(v, *f.High) }))
	case Prefix:
		return reaches(d, f.Path, true, func(v Value) bool { return starts(v, f) })
	case Contains:
		return reaches(d, f.Path, true, func(v Value) bool { return contains(v, f) })
	case Exists:
		return reaches(d, f.Path, true, func(v Value) bool { return !Missing(v) }) == f.Want
	case Elem:
		return reaches(d, f.Path, false, func(v Value) bool { return hasElem(v, f.Where) })
	}
	return false
}

// matchValue is Match for one array element, to which the path "" refers.
// Other paths start in the element, which is a document (or an array, whose
// positions then count as names).
func matchValue(f Filter, v Value) bool {
	switch f := f.(type) {
	case nil:
		return true
	case And:
		for _, g := range f {
			if !matchValue(g, v) {
				return false
			}
		}
		return true
	case Or:
		for _, g := range f {
			if matchValue(g, v) {
				return true
			}
		}
		return false
	case Not:
		return !matchValue(f.Filter, v)
	}
	if path, _ := pathOf(f); path != "" {
		return Match(f, v.Value)
	}
	switch f := f.(type) {
	case Eq:
		return equal(v, f.Value)
	case In:
		return oneOf(v, f.Values)
	case Range:
		return (f.Low == nil || above(v, *f.Low)) && (f.High == nil || below(v, *f.High))
	case Prefix:
		return starts(v, f)
	case Contains:
		return contains(v, f)
	case Exists:
		return f.Want
	case Elem:
		return hasElem(v, f.Where)
	}
	return false
}

// hasElem reports whether v is an array with an element that satisfies f.
// Conditions on fields are put only to elements that have fields.
func hasElem(v Value, f Filter) bool {
	if v.Type != bson.TypeArray {
		return false
	}
	fields := onFields(f)
	for elems := body(v.Value); ; {
		_, e, rest, ok := next(elems)
		if !ok {
			return false
		}
		if fields && e.Type != bson.TypeEmbeddedDocument && e.Type != bson.TypeArray {
			elems = rest
			continue
		}
		if matchValue(f, e) {
			return true
		}
		elems = rest
	}
}

// onFields reports whether f, within Elem, has a condition on a field of the
// element rather than on the element itself.
func onFields(f Filter) bool {
	switch f := f.(type) {
	case And:
		for _, g := range f {
			if onFields(g) {
				return true
			}
		}
	case Or:
		for _, g := range f {
			if onFields(g) {
				return true
			}
		}
	case Not:
		return onFields(f.Filter)
	default:
		path, _ := pathOf(f)
		return path != ""
	}
	return false
}

// reaches reports whether test holds for one of the values to which path leads
// from doc: with leaf also for the elements of an array at its end. A missing
// field counts as the zero Value.
//
// This is the path iteration of MongoDB's matcher (path.cpp).
func reaches(doc []byte, path string, leaf bool, test func(Value) bool) bool {
	for {
		part, rest, more := cutPath(path)
		v := field(doc, part)
		switch {
		case v.Type == bson.TypeArray && more:
			return reachesThrough(v.Value, rest, leaf, test)
		case v.Type == bson.TypeArray && leaf:
			return anyElement(v.Value, test) || test(v)
		case !more:
			return test(v)
		case v.Type != bson.TypeEmbeddedDocument:
			return test(Value{})
		}
		doc, path = v.Value, rest
	}
}

// reachesThrough is reaches for a path that goes on within an array.
func reachesThrough(array []byte, path string, leaf bool, test func(Value) bool) bool {
	part, rest, more := cutPath(path)
	at := position(part)
	elems := body(array)
	for i := 0; ; i++ {
		_, v, tail, ok := next(elems)
		if !ok {
			return false
		}
		elems = tail
		isDoc := v.Type == bson.TypeEmbeddedDocument
		if isDoc && reaches(v.Value, path, leaf, test) {
			return true
		}
		if i != at {
			continue
		}
		switch {
		case !more && test(v),
			more && isDoc && reaches(v.Value, rest, leaf, test),
			more && v.Type == bson.TypeArray && reachesThrough(v.Value, rest, leaf, test):
			return true
		}
	}
}

func anyElement(array []byte, test func(Value) bool) bool {
	for elems := body(array); ; {
		_, v, rest, ok := next(elems)
		if !ok {
			return false
		}
		if test(v) {
			return true
		}
		elems = rest
	}
}

// equal is MongoDB's equality, where missing, undefined and null are the same.
func equal(v, want Value) bool {
	k, w := kindOf(v.Type), kindOf(want.Type)
	if w == kindNull && k == kindMissing {
		return true
	}
	if k != w {
		return false
	}
	if v.Type == want.Type && k == kindString {
		return bytes.Equal(v.Value, want.Value)
	}
	return Compare(v, want) == 0
}

func oneOf(v Value, values []Value) bool {
	for _, want := range values {
		if equal(v, want) {
			return true
		}
	}
	return false
}

func above(v Value, b Bound) bool { return within(v, b, kindMin, 1) }
func below(v Value, b Bound) bool { return within(v, b, kindMax, -1) }

// within reports whether v lies on the given side of b: 1 above, -1 below. The
// kind at the other end of the order bounds all kinds.
func within(v Value, b Bound, end kind, side int) bool {
	k, w := kindOf(v.Type), kindOf(b.Value.Type)
	if k == kindMissing {
		k = kindNull
	}
	if k != w {
		return w == end
	}
	if k == kindNull {
		return b.Inclusive
	}
	c := Compare(v, b.Value)
	if c != 0 && k == kindNumber && (isNaN(v) || isNaN(b.Value)) {
		return false
	}
	return c == side || c == 0 && b.Inclusive
}

// isText gives the bytes of a string or symbol.
func isText(v Value) ([]byte, bool) {
	if v.Type != bson.TypeString && v.Type != bson.TypeSymbol {
		return nil, false
	}
	return text(v.Value), true
}

func starts(v Value, f Prefix) bool {
	s, ok := isText(v)
	switch {
	case !ok:
		return false
	case f.Fold:
		return bytes.HasPrefix(fold(s), []byte(Fold(f.Value)))
	}
	return bytes.HasPrefix(s, []byte(f.Value))
}

func contains(v Value, f Contains) bool {
	s, ok := isText(v)
	switch {
	case !ok:
		return false
	case f.Fold:
		return bytes.Contains(fold(s), []byte(Fold(f.Value)))
	}
	return bytes.Contains(s, []byte(f.Value))
}
