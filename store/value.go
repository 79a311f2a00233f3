package store

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// V is the literal that stands for a Go value, as the driver's encoder
// represents it: nil is null, a time.Time a date with milliseconds, an int an
// int32 where it fits. A Value stays what it is. V panics on a type that the
// encoder does not know, which is a mistake of the programmer: never pass it
// something whose type a client chose.
func V(x any) Value {
	switch x := x.(type) {
	case nil:
		return Null()
	case Value:
		return x
	case string:
		return String(x)
	}
	t, data, err := bson.MarshalValue(x)
	if err != nil {
		panic(fmt.Sprintf("store: no value for a %T: %v", x, err))
	}
	return Value{Type: t, Value: data}
}

// String is V for a string, without detours.
func String(s string) Value {
	b := make([]byte, 0, len(s)+5)
	return Value{Type: bson.TypeString, Value: appendString(b, s)}
}

// Now is what a clock shows, nil being that of the machine, as it comes back from a store: in
// milliseconds and UTC.
func Now(clock func() time.Time) time.Time {
	if clock == nil {
		clock = time.Now
	}
	return clock().UTC().Truncate(time.Millisecond)
}

// Null is the null literal.
func Null() Value { return Value{Type: bson.TypeNull} }

// Missing reports whether v stands for a field that is not there.
func Missing(v Value) bool { return v.Type == 0 }

// Lookup gives the value at a dotted path of embedded documents, or the zero
// Value. It does not look into arrays. The value shares d's bytes.
func Lookup(d Doc, path string) Value {
	v := Value{Type: bson.TypeEmbeddedDocument, Value: d}
	for more := true; more; {
		if v.Type != bson.TypeEmbeddedDocument {
			return Value{}
		}
		var part string
		part, path, more = cutPath(path)
		v = field(v.Value, part)
	}
	return v
}

// ID gives the _id of d, or the zero Value. It shares d's bytes.
func ID(d Doc) Value { return field(d, "_id") }

func appendString[T string | []byte](dst []byte, s T) []byte {
	n := len(s) + 1
	dst = append(dst, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	dst = append(dst, s...)
	return append(dst, 0)
}
