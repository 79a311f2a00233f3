package mongo

import (
	"math"

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
		{"minKey"}, {"undefined"}, {"null"}, {"number"}, {"string", "symbol"}, {"object"}, {"array"}, {"binData"},
		{"objectId"}, {"bool"}, {"date"}, {"timestamp"}, {"regex"}, {"dbPointer"}, {"javascript"}, {"javascriptWithScope"}, {"maxKey"},
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
	case bson.TypeInt32, bson.TypeInt64, bson.TypeString, bson.TypeObjectID, bson.TypeBoolean, bson.TypeDateTime, bson.TypeTimestamp:
		return true
	}
	return false
}

// after gives conditions that every document behind the cursor satisfies, and
// where the fields of the order are no arrays and hold values of common types,
// no other. What they let through besides is dropped by its position.
//
// The first key is bounded by what must not be there, from which MongoDB
// derives the bounds of an index scan: had the document any element before the
// cursor's, it would stand before the cursor.
func after(order []store.Key, cursor store.Cursor) bson.D {
	if cursor == nil {
		return nil
	}
	order = store.CompleteOrder(order)
	strict := len(order) == 1
	all := notBefore(order[0], cursor[0], strict)
	if !strict && (ordinary(cursor[0]) || cursor[0].Type == bson.TypeNull) {
		if rest := beyond(order[1:], cursor[1:]); rest != nil {
			different := field(order[0].Path, field("$ne", cursor[0]))
			all = conjoined(all, field("$or", bson.A{different, rest}))
		}
	}
	return all
}

// notBefore says that no value at the key stands before v (or, when strict,
// at v).
func notBefore(k store.Key, v store.Value, strict bool) bson.D {
	var out bson.D
	if ordinary(v) {
		op := "$lt"
		if k.Desc {
			op = "$gt"
		}
		if strict {
			op += "e"
		}
		out = field(k.Path, field("$not", field(op, v)))
	}
	// A whole array has the type array whatever its elements are, and a field
	// that is not there has none.
	var names []string
	for _, name := range beside(v, !k.Desc) {
		if name != "array" && name != "undefined" {
			names = append(names, name)
		}
	}
	var other bson.A
	if len(names) > 0 {
		other = append(other, field(k.Path, field("$type", names)))
	}
	if rank(v) > 2 && !k.Desc {
		other = append(other, field(k.Path, field("$eq", nil)))
	}
	if other == nil {
		return out
	}
	return append(out, bson.E{Key: "$nor", Value: other})
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

// beyond gives a condition for the documents that stand behind the cursor by
// the remaining keys: some value behind the first of them, or at it and beyond
// by those that follow. nil where there is nothing useful to say.
func beyond(order []store.Key, cursor store.Cursor) bson.D {
	k, v := order[0], cursor[0]
	if !ordinary(v) {
		return nil
	}
	op := "$gt"
	if k.Desc {
		op = "$lt"
	}
	any := bson.A{
		field(k.Path, field(op, v)),
		field(k.Path, field("$type", beside(v, k.Desc))),
	}
	if k.Desc {
		// Missing fields are null; NaN is before all numbers but compares with
		// none.
		any = append(any, missing(k.Path)...)
		any = append(any, field(k.Path, field("$eq", math.NaN())))
	}
	if len(order) > 1 {
		at := field(k.Path, field("$eq", v))
		if rest := beyond(order[1:], cursor[1:]); rest != nil {
			at = field("$and", bson.A{at, rest})
		}
		any = append(any, at)
	}
	return field("$or", any)
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
