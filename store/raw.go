package store

import (
	"bytes"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxDepth is how deep documents and paths may nest, as in MongoDB. What lies
// deeper reads as missing, so that no document can exhaust the stack.
const maxDepth = 100

// body gives the elements of a document or an array without its frame. It is
// empty where the frame is malformed.
func body(doc []byte) []byte {
	if len(doc) < 5 {
		return nil
	}
	n := int(int32(binary.LittleEndian.Uint32(doc)))
	if n < 5 || n > len(doc) {
		return nil
	}
	return doc[4 : n-1]
}

// next splits the first element off the elements of a body. It is not ok at
// the end, and where the bytes are malformed: a damaged document reads as if it
// ended there.
func next(elems []byte) (name []byte, v Value, rest []byte, ok bool) {
	if len(elems) < 2 {
		return nil, Value{}, nil, false
	}
	end := bytes.IndexByte(elems[1:], 0)
	if end < 0 {
		return nil, Value{}, nil, false
	}
	t, data := bson.Type(elems[0]), elems[end+2:]
	n := size(t, data)
	if n < 0 {
		return nil, Value{}, nil, false
	}
	return elems[1 : end+1], Value{Type: t, Value: data[:n:n]}, data[n:], true
}

// field gives the first field of that name, or the zero Value. It is next in a loop, but
// for what that makes of fields that nobody asked for.
func field(doc []byte, name string) Value {
	elems := body(doc)
	for len(elems) >= 2 {
		t, rest := bson.Type(elems[0]), elems[1:]
		here := len(rest) > len(name) && rest[len(name)] == 0 && string(rest[:len(name)]) == name
		end := len(name)
		if !here {
			if end = bytes.IndexByte(rest, 0); end < 0 {
				break
			}
		}
		data := rest[end+1:]
		n := size(t, data)
		switch {
		case n < 0:
			return Value{}
		case here:
			return Value{Type: t, Value: data[:n:n]}
		}
		elems = data[n:]
	}
	return Value{}
}

// size says how many bytes of data the value of type t takes; -1 where data is
// too short or t unknown.
func size(t bson.Type, data []byte) int {
	n := -1
	switch t {
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		n = 0
	case bson.TypeBoolean:
		n = 1
	case bson.TypeInt32:
		n = 4
	case bson.TypeDouble, bson.TypeDateTime, bson.TypeTimestamp, bson.TypeInt64:
		n = 8
	case bson.TypeObjectID:
		n = 12
	case bson.TypeDecimal128:
		n = 16
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		n = prefixed(data, 1, 4)
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		n = prefixed(data, 5, 0)
	case bson.TypeBinary:
		n = prefixed(data, 0, 5)
	case bson.TypeDBPointer:
		n = prefixed(data, 1, 4+12)
	case bson.TypeCodeWithScope:
		n = codeSize(data)
	case bson.TypeRegex:
		pattern, options, ok := regex(data)
		if ok {
			n = len(pattern) + len(options) + 2
		}
	}
	if n > len(data) {
		return -1
	}
	return n
}

// prefixed reads a length of at least low and adds extra to it.
func prefixed(data []byte, low, extra int) int {
	if len(data) < 4 {
		return -1
	}
	n := int(int32(binary.LittleEndian.Uint32(data)))
	if n < low {
		return -1
	}
	return n + extra
}

// codeSize is size for code with scope: length, string, document.
func codeSize(data []byte) int {
	n := prefixed(data, 4+5+5, 0)
	if n < 0 || n > len(data) {
		return -1
	}
	code := size(bson.TypeString, data[4:n])
	if code < 0 || size(bson.TypeEmbeddedDocument, data[4+code:n]) != n-4-code {
		return -1
	}
	return n
}

// regex splits the two C strings of a regular expression.
func regex(data []byte) (pattern, options []byte, ok bool) {
	pattern, rest, ok := bytes.Cut(data, []byte{0})
	if !ok {
		return nil, nil, false
	}
	options, _, ok = bytes.Cut(rest, []byte{0})
	return pattern, options, ok
}

// sound gives v without trailing bytes, or the zero Value when malformed.
func sound(v Value) Value {
	n := size(v.Type, v.Value)
	if n < 0 {
		return Value{}
	}
	return Value{Type: v.Type, Value: v.Value[:n]}
}

// text gives the bytes of a sound string, symbol or code.
func text(data []byte) []byte { return data[4 : size(bson.TypeString, data)-1] }

// valid reports whether v is well-formed all the way down, and no deeper than
// depth.
func valid(v Value, depth int) bool {
	if size(v.Type, v.Value) != len(v.Value) {
		return false
	}
	switch v.Type {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return v.Value[len(v.Value)-1] == 0
	case bson.TypeBoolean:
		return v.Value[0] <= 1
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return validDoc(v.Value, depth-1)
	case bson.TypeCodeWithScope:
		return validDoc(v.Value[4+size(bson.TypeString, v.Value[4:]):], depth-1)
	}
	return true
}

func validDoc(doc []byte, depth int) bool {
	if depth < 0 || size(bson.TypeEmbeddedDocument, doc) != len(doc) || doc[len(doc)-1] != 0 {
		return false
	}
	elems := body(doc)
	for len(elems) > 0 {
		_, v, rest, ok := next(elems)
		if !ok || !valid(v, depth) {
			return false
		}
		elems = rest
	}
	return true
}
