package store

import (
	"bytes"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// View is a document of which one field at the top, an array of strings, is held
// apart, so that conditions and positions can be found without putting it together.
type View struct {
	Doc     Doc // without the field
	Field   string
	Strings [][]byte // its elements
	Sorted  bool     // they are in ascending order
}

// Answers reports whether Match can decide f on views with that field. It cannot where
// something but strings is asked of the field, or of something within it.
func Answers(f Filter, field string) bool {
	switch f := f.(type) {
	case And:
		return allAnswer(f, field)
	case Or:
		return allAnswer(f, field)
	case Not:
		return Answers(f.Filter, field)
	}
	path, ok := pathOf(f)
	switch {
	case !ok:
		return f == nil
	case path != field:
		return !strings.HasPrefix(path, field+".")
	}
	if e, ok := f.(Elem); ok {
		return bare(e.Where)
	}
	return onText(f)
}

func allAnswer(fs []Filter, field string) bool {
	for _, f := range fs {
		if !Answers(f, field) {
			return false
		}
	}
	return true
}

// bare reports whether f, within Elem, asks only for strings.
func bare(f Filter) bool {
	switch f := f.(type) {
	case And:
		return allBare(f)
	case Or:
		return allBare(f)
	case Not:
		return bare(f.Filter)
	}
	path, ok := pathOf(f)
	return ok && path == "" && onText(f)
}

func allBare(fs []Filter) bool {
	for _, f := range fs {
		if !bare(f) {
			return false
		}
	}
	return true
}

// onText reports whether a condition compares with strings.
func onText(f Filter) bool {
	is := func(v Value) bool { return v.Type == bson.TypeString }
	switch f := f.(type) {
	case Eq:
		return is(f.Value)
	case In:
		for _, v := range f.Values {
			if !is(v) {
				return false
			}
		}
		return true
	case Range:
		return (f.Low == nil || is(f.Low.Value)) && (f.High == nil || is(f.High.Value))
	case Prefix:
		return !f.Fold
	case Exists:
		return true
	}
	return false
}

// Match is Match for the whole document, for a filter that Answers takes.
func (v *View) Match(f Filter) bool {
	switch f := f.(type) {
	case And:
		for _, g := range f {
			if !v.Match(g) {
				return false
			}
		}
		return true
	case Or:
		for _, g := range f {
			if v.Match(g) {
				return true
			}
		}
		return false
	case Not:
		return !v.Match(f.Filter)
	}
	path, ok := pathOf(f)
	if !ok || path != v.Field {
		return Match(f, v.Doc)
	}
	switch f := f.(type) {
	case Exists:
		return f.Want
	case Elem:
		return v.some(f.Where)
	case Range: // each bound may be met by another element
		return (f.Low == nil || v.some(Range{Low: f.Low})) && (f.High == nil || v.some(Range{High: f.High}))
	}
	return v.some(f)
}

// some reports whether an element satisfies a condition that bare takes.
func (v *View) some(f Filter) bool {
	if v.Sorted {
		if from, ok := least(f); ok {
			at, _ := slices.BinarySearchFunc(v.Strings, from, bytes.Compare)
			// The next one decides: where it does not satisfy the other end, none behind it does.
			// Of those that are equal to an end that is left out there may be several.
			for ; at < len(v.Strings); at++ {
				if holds(f, v.Strings[at]) {
					return true
				}
				if bytes.Compare(v.Strings[at], from) > 0 {
					break
				}
			}
			return false
		}
	}
	for _, s := range v.Strings {
		if holds(f, s) {
			return true
		}
	}
	return false
}

// least gives the least string that may satisfy f, where those that do are all that
// follow each other from there on.
func least(f Filter) (from []byte, ok bool) {
	switch f := f.(type) {
	case And:
		if len(f) == 1 {
			return least(f[0])
		}
	case Eq:
		return text(f.Value.Value), true
	case Range:
		if f.Low == nil {
			return nil, true
		}
		return text(f.Low.Value.Value), true
	case Prefix:
		return []byte(f.Value), true
	}
	return nil, false
}

func holds(f Filter, s []byte) bool {
	switch f := f.(type) {
	case And:
		for _, g := range f {
			if !holds(g, s) {
				return false
			}
		}
		return true
	case Or:
		for _, g := range f {
			if holds(g, s) {
				return true
			}
		}
		return false
	case Not:
		return !holds(f.Filter, s)
	case Eq:
		return bytes.Equal(s, text(f.Value.Value))
	case In:
		for _, w := range f.Values {
			if bytes.Equal(s, text(w.Value)) {
				return true
			}
		}
		return false
	case Range:
		return (f.Low == nil || beyond(bytes.Compare(s, text(f.Low.Value.Value)), f.Low)) &&
			(f.High == nil || beyond(bytes.Compare(text(f.High.Value.Value), s), f.High))
	case Prefix:
		return len(s) >= len(f.Value) && string(s[:len(f.Value)]) == f.Value
	case Exists:
		return f.Want
	}
	return false
}

func beyond(c int, b *Bound) bool { return c > 0 || c == 0 && b.Inclusive }

// Position is Position for the whole document, where each key that is the field has
// Within.
func (v *View) Position(order []Key) Cursor {
	order = CompleteOrder(order)
	c := make(Cursor, 0, len(order))
	for i, k := range order {
		if k.Within != nil && k.Path == v.Field {
			c = append(c, k.Within.of(v.Strings, k.Desc))
			continue
		}
		part, _ := first(order[i:i+1], v.Doc) // one key has no parallel arrays
		c = append(c, part...)
	}
	return c
}
