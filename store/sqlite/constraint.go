package sqlite

import (
	"bytes"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// constraint is what one condition of a filter says about the index entries of
// a path: every document that satisfies the condition has an entry whose value
// lies in one of the pieces. (Entries, not values: null and arrays are left out,
// because a missing field or a whole array need not have an entry.)
type constraint struct {
	path   string
	leaf   int // which condition of the filter
	pieces []piece
	points bool // all pieces are single values
	exact  bool // every entry in the pieces is of a document that satisfies the condition
}

// piece is a value, a range of values or a prefix.
type piece struct {
	point     *store.Value
	low, high *store.Bound
	prefix    *string
	together  bool // low and high are about the same array element
}

// span is a range of keys: low <= key < high.
type span struct{ low, high []byte }

// conditions flattens the Ands at the top of f.
func conditions(f store.Filter) []store.Filter {
	and, ok := f.(store.And)
	if !ok {
		if f == nil {
			return nil
		}
		return []store.Filter{f}
	}
	var list []store.Filter
	for _, g := range and {
		list = append(list, conditions(g)...)
	}
	return list
}

// constraints gives what the conditions say about index entries.
func constraints(conds []store.Filter) []constraint {
	var list []constraint
	for i, f := range conds {
		for _, c := range constraintsOf(f) {
			c.leaf = i
			list = append(list, c)
		}
	}
	return list
}

func constraintsOf(f store.Filter) []constraint {
	switch f := f.(type) {
	case store.Or:
		return union(f)
	case store.Elem:
		return ofElem(f)
	}
	c, ok := constraintOf(f)
	if !ok || numeric(c.path) {
		return nil
	}
	return []constraint{c}
}

func constraintOf(f store.Filter) (constraint, bool) {
	switch f := f.(type) {
	case store.Eq:
		return constraint{path: f.Path, pieces: []piece{{point: &f.Value}}, points: true, exact: true}, indexable(f.Value)
	case store.In:
		c := constraint{path: f.Path, points: true, exact: true}
		for i := range f.Values {
			if !indexable(f.Values[i]) {
				return c, false
			}
			c.pieces = append(c.pieces, piece{point: &f.Values[i]})
		}
		return c, true
	case store.Range:
		return ofRange(f)
	case store.Prefix:
		if f.Fold {
			return constraint{}, false
		}
		return constraint{path: f.Path, pieces: []piece{{prefix: &f.Value}}, exact: true}, true
	}
	return constraint{}, false
}

func ofRange(f store.Range) (constraint, bool) {
	for _, b := range []*store.Bound{f.Low, f.High} {
		if b != nil && !bounding(b.Value) {
			return constraint{}, false
		}
	}
	both := f.Low != nil && f.High != nil
	if both && kindByte(f.Low.Value) != kindByte(f.High.Value) {
		return constraint{}, false
	}
	// NaN lies in no range, but its key lies below all numbers.
	b := f.Low
	if b == nil {
		b = f.High
	}
	exact := !both && !number(b.Value)
	return constraint{path: f.Path, pieces: []piece{{low: f.Low, high: f.High}}, exact: exact}, true
}

// union is for an Or whose parts are all about one path.
func union(or store.Or) []constraint {
	whole := constraint{points: true, exact: true}
	for i, f := range or {
		parts := constraintsOf(f)
		if len(parts) != 1 || i > 0 && parts[0].path != whole.path {
			return nil
		}
		whole.path = parts[0].path
		whole.pieces = append(whole.pieces, parts[0].pieces...)
		whole.points = whole.points && parts[0].points
		whole.exact = whole.exact && parts[0].exact
	}
	if len(or) == 0 {
		return nil
	}
	return []constraint{whole}
}

// ofElem is about the elements of an array themselves, or about fields of its
// documents. It is never exact: a value that is no array has the same entry.
func ofElem(f store.Elem) []constraint {
	var list []constraint
	var low, high *store.Bound
	for _, g := range conditions(f.Where) {
		if r, ok := g.(store.Range); ok && r.Path == "" {
			// All bounds are about this one element: any two of them will do.
			if r.Low != nil {
				low = r.Low
			}
			if r.High != nil {
				high = r.High
			}
			continue
		}
		for _, c := range constraintsOf(g) {
			if c.path == "" {
				c.path = f.Path
			} else {
				c.path = f.Path + "." + c.path
			}
			c.exact = false
			list = append(list, c)
		}
	}
	if low != nil || high != nil {
		if c, ok := ofRange(store.Range{Path: f.Path, Low: low, High: high}); ok {
			c.pieces[0].together = true
			c.exact = false
			list = append(list, c)
		}
	}
	return slices.DeleteFunc(list, func(c constraint) bool { return numeric(c.path) })
}

// numeric reports whether a part of the path is a number, which may mean a
// position or a name.
func numeric(path string) bool {
	for part := range strings.SplitSeq(path, ".") {
		if part != "" && strings.Trim(part, "0123456789") == "" {
			return true
		}
	}
	return false
}

// indexable reports whether being equal to v means having an entry v.
func indexable(v store.Value) bool {
	switch v.Type {
	case 0, bson.TypeNull, bson.TypeUndefined, bson.TypeArray:
		return false
	}
	return true
}

// bounding reports whether v bounds only values of its own kind.
func bounding(v store.Value) bool {
	switch v.Type {
	case bson.TypeMinKey, bson.TypeMaxKey:
		return false
	}
	return indexable(v)
}

func number(v store.Value) bool {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return true
	}
	return false
}

// kindByte is the first byte of v's key, the same for all values that are
// ordered with it.
func kindByte(v store.Value) byte { return store.AppendKey(nil, v, false)[0] }

// spans gives the pieces as disjoint ranges of keys in ascending order. Where
// several is set a document may have more than one entry, of which each meets
// another bound.
func (c *constraint) spans(desc, several bool) []span {
	list := make([]span, 0, len(c.pieces))
	for _, p := range c.pieces {
		list = append(list, p.span(desc, several))
	}
	if len(list) < 2 {
		return list
	}
	slices.SortFunc(list, func(a, b span) int { return bytes.Compare(a.low, b.low) })
	merged := list[:1]
	for _, s := range list[1:] {
		last := &merged[len(merged)-1]
		if bytes.Compare(s.low, last.high) >= 0 {
			merged = append(merged, s)
		} else if bytes.Compare(s.high, last.high) > 0 {
			last.high = s.high
		}
	}
	return merged
}

func (p piece) span(desc, several bool) span {
	if p.point != nil {
		key := store.AppendKey(nil, *p.point, desc)
		return span{key, after(key)}
	}
	if p.prefix != nil {
		key := store.AppendKey(nil, store.String(*p.prefix), desc)
		key = key[:len(key)-2] // without its end
		return span{key, after(key)}
	}
	low, high := p.low, p.high
	if several && !p.together && low != nil {
		high = nil
	}
	if desc {
		low, high = high, low
	}
	return span{lowEdge(low, high, desc), highEdge(low, high, desc)}
}

// lowEdge is where keys begin that are not before low, or where the kind of
// high begins.
func lowEdge(low, high *store.Bound, desc bool) []byte {
	if low == nil {
		return store.AppendKey(nil, high.Value, desc)[:1]
	}
	key := store.AppendKey(nil, low.Value, desc)
	if low.Inclusive {
		return key
	}
	return after(key)
}

func highEdge(low, high *store.Bound, desc bool) []byte {
	if high == nil {
		return after(store.AppendKey(nil, low.Value, desc)[:1])
	}
	key := store.AppendKey(nil, high.Value, desc)
	if high.Inclusive {
		return after(key)
	}
	return key
}
