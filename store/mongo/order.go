package mongo

import (
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// sorting gives an order, complete with _id, as MongoDB takes it.
func sorting(order []store.Key) bson.D {
	var out bson.D
	for _, k := range store.CompleteOrder(order) {
		direction := 1
		if k.Desc {
			direction = -1
		}
		out = append(out, bson.E{Key: k.Path, Value: direction})
	}
	return out
}

// kinds are MongoDB's types in the order in which values of different types
// sort, by the names that $type knows them by.
func kinds() [][]string {
	return [][]string{
		{"minKey"},
		{"undefined"},
		{"null"},
		{"number"},
		{"string", "symbol"},
		{"object"},
		{"array"},
		{"binData"},
		{"objectId"},
		{"bool"},
		{"date"},
		{"timestamp"},
		{"regex"},
		{"dbPointer"},
		{"javascript"},
		{"javascriptWithScope"},
		{"maxKey"},
	}
}

// rank gives the place of v's type in kinds.
func rank(v store.Value) int {
	switch v.Type {
	case bson.TypeMinKey:
		return 0
	case bson.TypeNull:
		return 2
	case bson.TypeDouble, bson.TypeInt32, bson.TypeInt64, bson.TypeDecimal128:
		return 3
	case bson.TypeString, bson.TypeSymbol:
		return 4
	case bson.TypeEmbeddedDocument:
		return 5
	case bson.TypeArray:
		return 6
	case bson.TypeBinary:
		return 7
	case bson.TypeObjectID:
		return 8
	case bson.TypeBoolean:
		return 9
	case bson.TypeDateTime:
		return 10
	case bson.TypeTimestamp:
		return 11
	case bson.TypeRegex:
		return 12
	case bson.TypeDBPointer:
		return 13
	case bson.TypeJavaScript:
		return 14
	case bson.TypeCodeWithScope:
		return 15
	case bson.TypeMaxKey:
		return 16
	}
	return 1 // undefined: an empty array sorts as this
}

// ordinary says whether the comparison operators take v and order all values
// of its type.
func ordinary(v store.Value) bool {
	switch v.Type {
	case bson.TypeDouble:
		return !math.IsNaN(v.Double())
	case bson.TypeInt32, bson.TypeInt64, bson.TypeString, bson.TypeBinary, bson.TypeObjectID, bson.TypeBoolean, bson.TypeDateTime, bson.TypeTimestamp:
		return true
	}
	return false
}

// phase is one part of what stands behind a cursor: the documents whose first
// depth keys are the cursor's and whose next one stands behind it. The phases of
// a cursor, from the deepest, follow each other in the order of the search, and
// each has bounds in an index that holds the keys.
type phase struct {
	query bson.D // what all of these documents satisfy, and perhaps others
	depth int
}

// phases gives those behind the cursor; of no cursor, the one that has all.
func phases(order []store.Key, cursor store.Cursor) []phase {
	if cursor == nil {
		return []phase{{}}
	}
	order = store.CompleteOrder(order)
	var out []phase
	for depth := len(order) - 1; depth >= 0; depth-- {
		query := behind(order[:depth], order[depth], cursor[depth])
		for i := depth - 1; i >= 0; i-- {
			query = conjoined(same(order[i].Path, cursor[i]), query)
		}
		out = append(out, phase{query: query, depth: depth})
	}
	return out
}

// has says whether a document at that position belongs to the phase.
func (p phase) has(order []store.Key, position, cursor store.Cursor) bool {
	if cursor == nil {
		return true
	}
	for i, k := range store.CompleteOrder(order) {
		c := store.Compare(position[i], cursor[i])
		if k.Desc {
			c = -c
		}
		if c != 0 {
			return i == p.depth && c > 0
		}
	}
	return false
}

// same takes every document whose value at path may be v.
func same(path string, v store.Value) bson.D {
	switch {
	case v.Type == bson.TypeNull && strings.Contains(path, "."):
		// It is also null where the path ends in an array of something else
		// than documents, which $eq does not see.
		return nil
	case rank(v) == 1:
		return emptyArray(path)
	}
	return field(path, field("$eq", v))
}

// emptyArray takes what sorts as undefined.
func emptyArray(path string) bson.D {
	return field("$or", bson.A{field(path, field("$eq", bson.A{})), field(path, field("$type", "undefined"))})
}

// behind takes every document whose value at the key may stand behind v.
func behind(before []store.Key, k store.Key, v store.Value) bson.D {
	null := v.Type == bson.TypeNull
	switch {
	case null && k.Desc:
		return field("$or", bson.A{emptyArray(k.Path), field(k.Path, field("$type", "minKey"))})
	case shared(before, k), !null && !ordinary(v):
		return someBehind(k, v)
	case null:
		return field(k.Path, field("$not", field("$eq", nil)))
	}
	return noneBefore(k, v)
}

// shared says whether the key may lead through the same array as an earlier
// one. Which element counts then depends on both.
func shared(before []store.Key, k store.Key) bool {
	for _, b := range before {
		if top(b.Path) == top(k.Path) {
			return true
		}
	}
	return false
}

// noneBefore says that no value at the key is v or stands before it: MongoDB
// derives the bounds of an index scan from that, and an array with such an
// element would stand there itself.
func noneBefore(k store.Key, v store.Value) bson.D {
	op := "$lte"
	if k.Desc {
		op = "$gte"
	}
	// A whole array has the type array whatever its elements are, and a field
	// that is not there has none.
	var names []string
	for _, name := range beside(v, !k.Desc) {
		if name != "array" && name != "undefined" {
			names = append(names, name)
		}
	}
	other := bson.A{field(k.Path, field("$type", names))}
	if !k.Desc && k.Path != "_id" {
		other = append(other, field(k.Path, field("$eq", nil)))
	}
	return bson.D{{Key: k.Path, Value: field("$not", field(op, v))}, {Key: "$nor", Value: other}}
}

// someBehind says that some value at the key stands behind v, or may.
func someBehind(k store.Key, v store.Value) bson.D {
	names, op := beside(v, k.Desc), "$gt"
	if k.Desc {
		op = "$lt"
	}
	var any bson.A
	if ordinary(v) {
		any = append(any, field(k.Path, field(op, v)))
	} else {
		names = append(names, kinds()[rank(v)]...)
	}
	any = append(any, field(k.Path, field("$type", names)))
	if k.Desc {
		any = append(any, missing(k.Path)...)
	}
	if k.Desc && rank(v) == 3 { // NaN is before all numbers but compares with none
		any = append(any, field(k.Path, field("$eq", math.NaN())))
	}
	if rank(v) <= 1 && !k.Desc {
		return nil // all documents without a value, too
	}
	return field("$or", any)
}

// beside names the types that sort below that of v, or above it.
func beside(v store.Value, below bool) []string {
	all := kinds()
	if below {
		all = all[:rank(v)]
	} else {
		all = all[rank(v)+1:]
	}
	var names []string
	for _, k := range all {
		names = append(names, k...)
	}
	return names
}

// missing takes every document without a value at path, also those where the
// path ends in an array of something else than documents or in an empty one.
func missing(path string) bson.A {
	any := bson.A{
		field(path, field("$eq", nil)),
		field(path, field("$exists", false)),
		field(path, field("$eq", bson.A{})),
	}
	for i, c := range path {
		if c == '.' {
			any = append(any, field(path[:i], field("$type", "array")))
		}
	}
	return any
}
