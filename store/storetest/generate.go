package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/store"
)

// Random generates documents, filters, orders and ops that are small and meet
// often: few field names, few values. The zero Random generates everything that
// MongoDB and package store agree on. It leaves out on purpose: undefined,
// symbols, DBPointers and code (deprecated); zero timestamps (servers fill them
// in); orders by positions (servers refuse some documents); orders by two fields
// that may both be arrays (refused).
type Random struct {
	NoDecimals     bool // no Decimal128
	NoNaN          bool // neither NaN nor infinities
	NoNestedArrays bool // no arrays directly within arrays
	NoPositions    bool // no numbers in paths
	NoElem         bool // no Elem
	NoFold         bool // no Prefix or Contains with Fold
	NoContainers   bool // no documents or arrays as the values of filters
	NoBinary       bool // no binary
	NoUnique       bool // no unique index on what is written
	NoDottedOrders bool // orders by top-level fields only
	NoIndexes      bool // no indexes
}

// Value generates any value, nested at most depth deep.
func (r Random) Value(depth int) *rapid.Generator[store.Value] {
	return rapid.Custom(func(t *rapid.T) store.Value {
		if depth > 0 {
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0, 1:
				d := r.fields(t, depth-1, rapid.SampledFrom([]string{"a", "b", "c", "1"}))
				return store.V(bson.Raw(mustMarshal(d)))
			case 2, 3:
				return store.V(r.array(t, depth-1))
			}
		}
		return r.Scalar().Draw(t, "scalar")
	})
}

// Scalar generates a value that is no document or array.
func (r Random) Scalar() *rapid.Generator[store.Value] {
	pool := []any{
		nil, nil, int32(0), int32(1), int32(1), int32(2), int32(-1), int64(1), int64(2), int64(1<<53 + 1),
		0.0, 1.0, 1.5, math.Copysign(0, -1), float64(1 << 53),
		"", "a", "a", "ab", "A", "\u00e1b", "b\x00", "$a", true, false,
		bson.DateTime(0), bson.DateTime(-1), bson.DateTime(86_400_000),
		bson.ObjectID{1},
		bson.ObjectID{2},
		bson.Timestamp{T: 1, I: 1},
		bson.Timestamp{T: 1, I: 2},
	}
	if !r.NoBinary {
		pool = append(pool, bson.Binary{Data: []byte{1}}, bson.Binary{Subtype: 0x80, Data: []byte{1}}, bson.Binary{Data: []byte{0, 0}})
	}
	if !r.NoNaN {
		pool = append(pool, math.NaN(), math.Inf(1), math.Inf(-1))
	}
	if !r.NoDecimals {
		for _, s := range []string{"1", "1.50", "0.1", "9007199254740993"} {
			d, err := bson.ParseDecimal128(s)
			if err != nil {
				panic(err)
			}
			pool = append(pool, d)
		}
		if !r.NoNaN {
			pool = append(pool, bson.NewDecimal128(0x7c00000000000000, 0))
		}
	}
	values := make([]store.Value, len(pool))
	for i, x := range pool {
		values[i] = store.V(x)
	}
	return rapid.SampledFrom(values)
}

func (r Random) array(t *rapid.T, depth int) bson.A {
	a := bson.A{}
	for range rapid.IntRange(0, 3).Draw(t, "length") {
		v := r.Value(depth).Draw(t, "element")
		for r.NoNestedArrays && v.Type == bson.TypeArray {
			v = r.Scalar().Draw(t, "element")
		}
		a = append(a, v)
	}
	return a
}

func (r Random) fields(t *rapid.T, depth int, names *rapid.Generator[string]) bson.D {
	d := bson.D{}
	for range rapid.IntRange(0, 3).Draw(t, "fields") {
		name := names.Draw(t, "name")
		if !slices.ContainsFunc(d, func(e bson.E) bool { return e.Key == name }) {
			d = append(d, bson.E{Key: name, Value: r.Value(depth).Draw(t, "value")})
		}
	}
	return d
}

// Doc generates a document with that _id: fields a, b and c with anything in
// them, n and m with scalars.
func (r Random) Doc(id any) *rapid.Generator[store.Doc] {
	return rapid.Custom(func(t *rapid.T) store.Doc {
		d := append(bson.D{{Key: "_id", Value: id}}, r.fields(t, 3, rapid.SampledFrom([]string{"a", "b", "c"}))...)
		for _, name := range []string{"n", "m"} {
			if rapid.Bool().Draw(t, name) {
				d = append(d, bson.E{Key: name, Value: r.Scalar().Draw(t, "scalar")})
			}
		}
		return mustMarshal(d)
	})
}

// Path generates a path into such documents.
func (r Random) Path() *rapid.Generator[string] {
	paths := []string{"a", "a", "b", "c", "n", "m", "a.b", "a.b", "a.a", "b.c", "a.b.c", "b.a.b", "n.a"}
	if !r.NoPositions {
		paths = append(paths, "a.0", "a.1", "b.1", "a.0.b", "a.1.1", "a.b.0", "a.1.a")
	}
	return rapid.SampledFrom(paths)
}

// Filter generates a valid filter, nested at most depth deep.
func (r Random) Filter(depth int) *rapid.Generator[store.Filter] {
	return rapid.Custom(func(t *rapid.T) store.Filter { return r.filter(t, depth, r.Path()) })
}

func (r Random) filter(t *rapid.T, depth int, paths *rapid.Generator[string]) store.Filter {
	kind := rapid.IntRange(0, 13).Draw(t, "filter")
	if depth > 0 {
		switch kind {
		case 0, 1:
			return store.And(r.filters(t, depth-1, paths))
		case 2:
			return store.Or(r.filters(t, depth-1, paths))
		case 3:
			return store.Not{Filter: r.filter(t, depth-1, paths)}
		case 4, 5:
			if !r.NoElem {
				inner := r.Path()
				if rapid.Bool().Draw(t, "itself") {
					inner = rapid.Just("")
				}
				return store.Elem{Path: paths.Draw(t, "path"), Where: r.filter(t, depth-1, inner)}
			}
		}
	}
	path := paths.Draw(t, "path")
	switch kind {
	case 6, 7:
		f := store.In{Path: path}
		for range rapid.IntRange(0, 3).Draw(t, "values") {
			f.Values = append(f.Values, r.literal(t))
		}
		return f
	case 8, 9:
		return r.ranged(t, path)
	case 10:
		return store.Prefix{Path: path, Value: r.text(t), Fold: r.fold(t)}
	case 11:
		return store.Contains{Path: path, Value: r.text(t), Fold: r.fold(t)}
	case 12:
		return store.Exists{Path: path, Want: rapid.Bool().Draw(t, "want")}
	}
	return store.Eq{Path: path, Value: r.literal(t)}
}

func (r Random) filters(t *rapid.T, depth int, paths *rapid.Generator[string]) []store.Filter {
	var fs []store.Filter
	for range rapid.IntRange(0, 3).Draw(t, "parts") {
		fs = append(fs, r.filter(t, depth, paths))
	}
	return fs
}

func (r Random) literal(t *rapid.T) store.Value {
	if r.NoContainers {
		return r.Scalar().Draw(t, "literal")
	}
	return r.Value(2).Draw(t, "literal")
}

func (r Random) ranged(t *rapid.T, path string) store.Filter {
	f := store.Range{Path: path}
	bounds := rapid.IntRange(1, 3).Draw(t, "bounds")
	bound := func() *store.Bound {
		return &store.Bound{Value: r.literal(t), Inclusive: rapid.Bool().Draw(t, "inclusive")}
	}
	if bounds&1 != 0 {
		f.Low = bound()
	}
	if bounds&2 != 0 {
		f.High = bound()
	}
	return f
}

func (r Random) text(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "a", "A", "b", "\u00e1", "ab", "\x00", "$"}).Draw(t, "text")
}

func (r Random) fold(t *rapid.T) bool { return !r.NoFold && rapid.Bool().Draw(t, "fold") }

// Order generates an order in which at most one field can be an array.
func (r Random) Order() *rapid.Generator[[]store.Key] {
	return rapid.Custom(func(t *rapid.T) []store.Key {
		var order []store.Key
		arrays := []string{"", "a", "b"}
		if !r.NoDottedOrders {
			arrays = append(arrays, "a.b", "b.c")
		}
		for _, paths := range [][]string{{"", "m"}, arrays, {"", "n"}, {"", "", "_id"}} {
			if path := rapid.SampledFrom(paths).Draw(t, "key"); path != "" {
				order = append(order, store.Key{Path: path, Desc: rapid.Bool().Draw(t, "desc")})
			}
		}
		return order
	})
}

// Within is Order, sometimes by some strings of the array a first.
func (r Random) Within() *rapid.Generator[[]store.Key] {
	return rapid.Custom(func(t *rapid.T) []store.Key {
		order := r.Order().Draw(t, "order")
		if rapid.IntRange(0, 2).Draw(t, "within") > 0 {
			return order
		}
		order = slices.DeleteFunc(order, func(k store.Key) bool { return k.Path != "m" && k.Path != "n" && k.Path != "_id" })
		w := &store.Within{Required: rapid.Bool().Draw(t, "required")}
		for range rapid.IntRange(1, 2).Draw(t, "stretches") {
			w.Stretches = append(w.Stretches, store.Stretch{
				Prefix: rapid.SampledFrom([]string{"", "a", "A", "b"}).Draw(t, "prefix"),
				Low:    rapid.SampledFrom([]string{"", "", "b"}).Draw(t, "low"),
				High:   rapid.SampledFrom([]string{"", "", "c"}).Draw(t, "high"),
			})
		}
		return append([]store.Key{{Path: "a", Desc: rapid.Bool().Draw(t, "desc"), Within: w}}, order...)
	})
}

// Indexes generates indexes that any of the documents can have: at most one of
// their keys can be an array. Their names begin with prefix.
func (r Random) Indexes(collection string) *rapid.Generator[[]store.Index] {
	return rapid.Custom(func(t *rapid.T) []store.Index {
		var ixs []store.Index
		for i := range rapid.IntRange(0, 2).Draw(t, "indexes") {
			if r.NoIndexes {
				continue
			}
			keys := r.Order().Draw(t, "keys")
			keys = slices.DeleteFunc(keys, func(k store.Key) bool { return k.Path == "_id" })
			if len(keys) == 0 || slices.ContainsFunc(ixs, func(ix store.Index) bool { return slices.Equal(ix.Keys, keys) }) {
				continue
			}
			ix := store.Index{Collection: collection, Name: fmt.Sprintf("ix%d", i), Keys: keys, Sparse: rapid.Bool().Draw(t, "sparse")}
			if rapid.Bool().Draw(t, "loose") {
				ix.Loose, ix.Keys = true, append(keys, store.Key{Path: "_id", Desc: rapid.Bool().Draw(t, "desc")})
			}
			ixs = append(ixs, ix)
		}
		return ixs
	})
}

// Op generates a valid op on one of a few documents. It may fail for what is
// stored, in one way only.
func (r Random) Op(collections []string) *rapid.Generator[store.Op] {
	return rapid.Custom(func(t *rapid.T) store.Op {
		id := rapid.SampledFrom([]string{"d1", "d2", "d3"}).Draw(t, "id")
		op := store.Op{Collection: rapid.SampledFrom(collections).Draw(t, "collection"), ID: store.V(id)}
		switch rapid.IntRange(0, 6).Draw(t, "op") {
		case 0, 1:
			op.Kind, op.ID = store.Insert, store.Value{}
			op.Doc = r.Doc(id).Draw(t, "doc")
			return op
		case 2:
			op.Kind = store.Replace
			op.Doc = r.Doc(id).Draw(t, "doc")
		case 3:
			op.Kind = store.Delete
		default:
			op.Kind = store.Update
			r.changes(t, &op)
		}
		if rapid.IntRange(0, 3).Draw(t, "precondition") == 0 {
			op.If = r.Filter(2).Draw(t, "if")
		}
		return op
	})
}

// changes gives op one to three fields to set or unset that are not within each
// other.
func (r Random) changes(t *rapid.T, op *store.Op) {
	var used []string
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		path := r.Path().Draw(t, "path")
		if slices.ContainsFunc(used, func(u string) bool {
			return strings.HasPrefix(path+".", u+".") || strings.HasPrefix(u+".", path+".")
		}) {
			continue
		}
		used = append(used, path)
		if rapid.IntRange(0, 2).Draw(t, "unset") == 0 {
			op.Unset = append(op.Unset, path)
			continue
		}
		op.Set = append(op.Set, store.Field{Path: path, Value: r.Value(2).Draw(t, "value")})
	}
}
