package store

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// kind is MongoDB's canonical type: values of the same kind compare with each
// other, and kinds order before anything else does.
type kind uint8

// The kinds in order. They are written into keys by AppendKey, so their numbers
// are part of what sqlite stores.
const (
	kindEnd kind = iota // ends a document or array within a key
	kindMin
	kindMissing // and undefined
	kindNull
	kindNumber
	kindString // and symbol
	kindDocument
	kindArray
	kindBinary
	kindObjectID
	kindBool
	kindDate
	kindTimestamp
	kindRegex
	kindPointer
	kindCode
	kindCodeWithScope
	kindMax
)

func kindOf(t bson.Type) kind {
	switch t {
	case bson.TypeMinKey:
		return kindMin
	case bson.TypeNull:
		return kindNull
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return kindNumber
	case bson.TypeString, bson.TypeSymbol:
		return kindString
	case bson.TypeEmbeddedDocument:
		return kindDocument
	case bson.TypeArray:
		return kindArray
	case bson.TypeBinary:
		return kindBinary
	case bson.TypeObjectID:
		return kindObjectID
	case bson.TypeBoolean:
		return kindBool
	case bson.TypeDateTime:
		return kindDate
	case bson.TypeTimestamp:
		return kindTimestamp
	case bson.TypeRegex:
		return kindRegex
	case bson.TypeDBPointer:
		return kindPointer
	case bson.TypeJavaScript:
		return kindCode
	case bson.TypeCodeWithScope:
		return kindCodeWithScope
	case bson.TypeMaxKey:
		return kindMax
	}
	return kindMissing
}

// Compare orders any two values as MongoDB does: MinKey, missing and undefined,
// null, numbers, strings and symbols, documents, arrays, binary, ObjectId,
// bool, date, timestamp, regular expression, DBPointer, code, code with scope,
// MaxKey. Numbers compare by their mathematical value whatever their type, NaN
// before all others and equal to itself. Strings compare by their bytes,
// binary by length first. A malformed value compares as missing.
func Compare(a, b Value) int { return compare(a, b, maxDepth) }

func compare(a, b Value, depth int) int {
	a, b = sound(a), sound(b)
	k := kindOf(a.Type)
	if c := cmp.Compare(k, kindOf(b.Type)); c != 0 {
		return c
	}
	x, y := a.Value, b.Value
	switch k {
	case kindNumber:
		return compareNumbers(a, b)
	case kindString, kindCode:
		return bytes.Compare(text(x), text(y))
	case kindDocument:
		return compareDocs(x, y, true, depth-1)
	case kindArray:
		return compareDocs(x, y, false, depth-1)
	case kindBinary:
		if c := cmp.Compare(len(x), len(y)); c != 0 {
			return c
		}
		return bytes.Compare(x[4:], y[4:])
	case kindObjectID, kindBool:
		return bytes.Compare(x, y)
	case kindDate:
		return cmp.Compare(int64(binary.LittleEndian.Uint64(x)), int64(binary.LittleEndian.Uint64(y)))
	case kindTimestamp:
		return cmp.Compare(binary.LittleEndian.Uint64(x), binary.LittleEndian.Uint64(y))
	case kindRegex:
		// Its two C strings; NUL sorts before every other byte.
		return bytes.Compare(x, y)
	case kindPointer:
		if c := cmp.Compare(len(x), len(y)); c != 0 {
			return c
		}
		return bytes.Compare(x, y)
	case kindCodeWithScope:
		return compareCode(x, y, depth)
	}
	return 0
}

// compareDocs compares element by element: kind, name (not for arrays, whose
// names are their positions), value; the shorter comes first.
func compareDocs(x, y []byte, names bool, depth int) int {
	if depth < 0 {
		return 0
	}
	x, y = body(x), body(y)
	for {
		n, v, rx, okx := next(x)
		m, w, ry, oky := next(y)
		switch {
		case !okx && !oky:
			return 0
		case !okx:
			return -1
		case !oky:
			return 1
		}
		if c := cmp.Compare(kindOf(v.Type), kindOf(w.Type)); c != 0 {
			return c
		}
		if names {
			if c := bytes.Compare(n, m); c != 0 {
				return c
			}
		}
		if c := compare(v, w, depth); c != 0 {
			return c
		}
		x, y = rx, ry
	}
}

func compareCode(x, y []byte, depth int) int {
	x, y = x[4:], y[4:]
	if c := bytes.Compare(text(x), text(y)); c != 0 {
		return c
	}
	n, m := size(bson.TypeString, x), size(bson.TypeString, y)
	return compareDocs(x[n:], y[m:], true, depth-1)
}
