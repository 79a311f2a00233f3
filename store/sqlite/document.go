package sqlite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/store"
)

// The first byte of what is stored says in which form the document follows.
const (
	formPlain = 0 // as it is
	// formParted: a list of strings, which an index is made of, is kept in a table of
	// its own, in a shorter form: seldom does anybody want to read it. Before the document
	// stand the field's name, as a string with its length, and where in the document the
	// field belongs, both lengths as varints. The document lacks the field.
	formParted = 1
)

// minPacked is how many strings make a list worth packing.
const minPacked = 4

// stored is a document as it was read. Its bytes are SQLite's.
type stored struct {
	rest store.Doc
	name []byte // of the field that rest lacks; nil when it lacks none
	at   int    // where in rest it belongs
}

// document reads a stored document.
func document(data []byte) (stored, error) {
	if len(data) == 0 {
		return stored{}, errForm()
	}
	form, data := data[0], data[1:]
	if form == formPlain {
		return stored{rest: store.Doc(data)}, nil
	}
	size, n := binary.Uvarint(data)
	if form != formParted || n <= 0 || size > uint64(len(data)-n) {
		return stored{}, errForm()
	}
	name, data := data[n:n+int(size)], data[n+int(size):]
	at, n := binary.Uvarint(data)
	if n <= 0 || at < 4 || at >= uint64(len(data)-n) {
		return stored{}, errForm()
	}
	return stored{rest: store.Doc(data[n:]), name: name, at: int(at)}, nil
}

func errForm() error {
	return fmt.Errorf("sqlite: a document is stored in an unknown form: %w", store.ErrCorrupt)
}

// lacks reports whether one of the fields is kept elsewhere.
func (d *stored) lacks(fields []string) bool {
	return d.name != nil && slices.Contains(fields, string(d.name))
}

// own gives document rid with all fields in memory of its own.
func (c *conn) own(coll *collection, rid int64, d *stored) (store.Doc, error) {
	if d.name == nil {
		return bytes.Clone(d.rest), nil
	}
	list, err := c.prepare(coll.list)
	if err != nil {
		return nil, err
	}
	defer list.release()
	if err := c.whole.read(list, rid, c.strings); err != nil {
		return nil, err
	}
	return d.with(c.whole.list), nil
}

// with gives the document with the list that it lacks.
func (d *stored) with(list [][]byte) store.Doc {
	size := len(d.rest) + len(d.name) + 16
	for _, v := range list {
		size += len(v) + 12
	}
	out := make([]byte, 0, size)
	out = append(out, d.rest[:d.at]...)
	out = append(append(out, byte(bson.TypeArray)), d.name...)
	out = append(out, 0)
	start, out := bsoncore.ReserveLength(out)
	for i, v := range list {
		out = append(out, byte(bson.TypeString))
		out = strconv.AppendInt(out, int64(i), 10)
		out = append(out, 0)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(v)+1))
		out = append(append(out, v...), 0)
	}
	out = append(out, 0)
	out = bsoncore.UpdateLength(out, start, int32(len(out))-start)
	out = append(out, d.rest[d.at:]...)
	return store.Doc(bsoncore.UpdateLength(out, 0, int32(len(out))))
}

// encodeDocument gives the form in which a document is stored, and the list that is
// stored apart from it, which is none when it is nil.
func encodeDocument(doc store.Doc) (form []byte, list [][]byte) {
	name, at, size, values := listOf(doc)
	if name == nil {
		return append([]byte{formPlain}, doc...), nil
	}
	form = append(make([]byte, 0, len(doc)-size+len(name)+8), formParted)
	form = binary.AppendUvarint(form, uint64(len(name)))
	form = append(form, name...)
	form = binary.AppendUvarint(form, uint64(at))
	start := len(form)
	form = append(append(form, doc[:at]...), doc[at+size:]...)
	binary.LittleEndian.PutUint32(form[start:], uint32(len(doc)-size))
	return form, values
}

// listOf finds the first field of a document that is a list of several strings, its
// place and the bytes that it takes there; name is nil without.
func listOf(doc store.Doc) (name []byte, at, size int, values [][]byte) {
	for at = 4; at < len(doc)-1; at += size {
		elem, _, ok := bsoncore.ReadElement(doc[at:])
		if !ok {
			return nil, 0, 0, nil
		}
		size = len(elem)
		if bson.Type(elem[0]) != bson.TypeArray {
			continue
		}
		if values, ok = stringsOf(elem.Value().Data); ok {
			return elem.KeyBytes(), at, size, values
		}
	}
	return nil, 0, 0, nil
}

// stringsOf gives the elements of an array of strings whose names are their
// positions, if it is worth packing.
func stringsOf(array []byte) (values [][]byte, ok bool) {
	if len(array) < 5 {
		return nil, false
	}
	var digits [20]byte
	for rest := array[4 : len(array)-1]; len(rest) > 0; {
		elem, after, ok := bsoncore.ReadElement(rest)
		if !ok || bson.Type(elem[0]) != bson.TypeString || string(elem.KeyBytes()) != string(strconv.AppendInt(digits[:0], int64(len(values)), 10)) {
			return nil, false
		}
		data := elem.Value().Data
		if len(data) < 5 {
			return nil, false
		}
		values = append(values, data[4:len(data)-1])
		rest = after
	}
	return values, len(values) >= minPacked
}

// touched are the fields at the top of a document that a filter and an order look
// at.
func touched(f store.Filter, order []store.Key) []string {
	var list []string
	add := func(path string) {
		name, _, _ := strings.Cut(path, ".")
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	store.EachPath(f, add)
	for _, k := range order {
		add(k.Path)
	}
	return list
}
