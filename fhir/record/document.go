package record

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/store"
)

// The fields of a document.
const (
	fieldID      = "_id"
	fieldVersion = "v"
	fieldUpdated = "ts"
	fieldDeleted = "del"
	fieldBody    = "body"
	fieldRank    = "rank"
	fieldKeys    = "k"
	fieldMethod  = "m"
	fieldBorn    = "new"
	fieldOwner   = "id"
	fieldEnded   = "to"
)

// readFields are all but the entries, which nobody reads, in the order in which
// documents have them.
func readFields() []string {
	return []string{fieldVersion, fieldUpdated, fieldOwner, fieldEnded, fieldMethod, fieldBorn, fieldRank, fieldDeleted, fieldBody}
}

// The methods that a document names. Without, a version came by PUT, or, as a
// delete marker, by DELETE.
const (
	methodPost  = "POST"
	methodPatch = "PATCH"
)

// version is one version of a resource, as a document holds it.
type version struct {
	number  int64
	updated time.Time
	deleted bool
	body    []byte        // nil for a delete marker
	packed  packed        // of body, when it was read from a document
	entries index.Entries // of a current version that is about to be written
	rank    []byte        // of the same
	method  fhir.Method
	born    bool // it brought the resource into being, or back

	// Of a version in the history: the logical id, and when the next version
	// took its place. Those that were written before there were such fields have
	// neither.
	owner string
	ended time.Time
}

// encode makes the document of v. In <Type> its id is the logical id, in
// <Type>_history historyID.
func encode(id string, v version) store.Doc {
	if v.packed.data == nil && !v.deleted {
		v.packed = new(packer).pack(v.body)
	}
	size := len(id) + len(v.owner) + len(v.packed.data) + 160 // at most, without the keys
	for _, k := range v.entries.Keys {
		size += keyOverhead + len(k)
	}
	start, doc := bsoncore.AppendDocumentStart(make([]byte, 0, size))
	doc = bsoncore.AppendStringElement(doc, fieldID, id)
	doc = bsoncore.AppendInt64Element(doc, fieldVersion, v.number)
	doc = bsoncore.AppendDateTimeElement(doc, fieldUpdated, v.updated.UnixMilli())
	doc = appendOrigin(doc, v)
	if v.rank != nil {
		doc = bsoncore.AppendBinaryElement(doc, fieldRank, bson.TypeBinaryGeneric, v.rank)
	}
	if len(v.entries.Keys) > 0 {
		doc = appendKeys(doc, v.entries.Keys)
	}
	if v.deleted {
		doc = bsoncore.AppendBooleanElement(doc, fieldDeleted, true)
	} else {
		doc = bsoncore.AppendBinaryElement(doc, fieldBody, v.packed.subtype, v.packed.data)
	}
	doc, err := bsoncore.AppendDocumentEnd(doc, start)
	if err != nil {
		panic(err) // start is what AppendDocumentStart gave
	}
	return store.Doc(doc)
}

// appendOrigin writes how the version came about and, in the history, went.
func appendOrigin(doc []byte, v version) []byte {
	if v.owner != "" {
		doc = bsoncore.AppendStringElement(doc, fieldOwner, v.owner)
		doc = bsoncore.AppendDateTimeElement(doc, fieldEnded, v.ended.UnixMilli())
	}
	switch v.method {
	case fhir.Create:
		doc = bsoncore.AppendStringElement(doc, fieldMethod, methodPost)
	case fhir.Patch:
		doc = bsoncore.AppendStringElement(doc, fieldMethod, methodPatch)
	case fhir.Put, fhir.Delete:
	}
	if v.born && v.number > 1 {
		doc = bsoncore.AppendBooleanElement(doc, fieldBorn, true)
	}
	return doc
}

// keyOverhead is what an element of an array takes beside its text, at most.
const keyOverhead = 16

// appendKeys writes an array of strings (BSON 1.1, string and array).
func appendKeys(doc []byte, keys []string) []byte {
	start, doc := bsoncore.AppendArrayElementStart(doc, fieldKeys)
	for i, k := range keys {
		doc = strconv.AppendInt(append(doc, byte(bson.TypeString)), int64(i), 10)
		doc = binary.LittleEndian.AppendUint32(append(doc, 0), uint32(len(k)+1))
		doc = append(append(doc, k...), 0)
	}
	doc, err := bsoncore.AppendArrayEnd(doc, start)
	if err != nil {
		panic(err) // start is what AppendArrayElementStart gave
	}
	return doc
}

// decode reads a document of id. What it gives may share the document's bytes.
func decode(id string, doc store.Doc) (version, error) {
	var v version
	damaged := func(what string) (version, error) {
		return version{}, fmt.Errorf("%w: record %q: %s", store.ErrCorrupt, id, what)
	}
	if len(doc) < 5 {
		return damaged("no document")
	}
	for rest := []byte(doc[4 : len(doc)-1]); len(rest) > 0; {
		elem, after, ok := bsoncore.ReadElement(rest)
		if !ok {
			return damaged("no element")
		}
		rest = after
		value := elem.Value()
		switch string(elem.KeyBytes()) {
		case fieldVersion:
			v.number, ok = value.AsInt64OK()
		case fieldUpdated:
			var ms int64
			ms, ok = value.DateTimeOK()
			v.updated = time.UnixMilli(ms).UTC()
		case fieldDeleted:
			v.deleted, ok = value.BooleanOK()
		case fieldBorn:
			v.born, ok = value.BooleanOK()
		case fieldMethod:
			v.method, ok = methodOf(value)
		case fieldOwner:
			v.owner, ok = value.StringValueOK()
		case fieldEnded:
			var ms int64
			ms, ok = value.DateTimeOK()
			v.ended = time.UnixMilli(ms).UTC()
		case fieldBody:
			if v.packed.subtype, v.packed.data, ok = value.BinaryOK(); ok {
				v.body, ok = v.packed.unpack()
			}
		}
		if !ok {
			return damaged(elem.Key() + " has the wrong type or form")
		}
	}
	if v.number < 1 || v.updated.IsZero() || v.deleted == (v.body != nil) {
		return damaged("v, ts, or one of del and body is missing")
	}
	v.born = v.born || v.number == 1
	switch {
	case v.deleted:
		v.method = fhir.Delete
	case v.method == 0:
		v.method = fhir.Put
	}
	return v, nil
}

func methodOf(value bsoncore.Value) (fhir.Method, bool) {
	name, _ := value.StringValueOK()
	switch name {
	case methodPost:
		return fhir.Create, true
	case methodPatch:
		return fhir.Patch, true
	}
	return 0, false
}

// resource gives v as a version of the resource with this key.
func (v version) resource(key fhir.Key) fhir.Resource {
	return fhir.Resource{
		Key: key, Version: strconv.FormatInt(v.number, 10), Updated: v.updated, Deleted: v.deleted, Body: v.body,
		Method: v.method, Born: v.born,
	}
}

func collection(t fhir.Type) string { return string(t) }

func historyCollection(t fhir.Type) string { return string(t) + "_history" }

// historyID orders as the version numbers do, and never before or behind the
// versions of another resource, since no logical id holds a slash.
func historyID(id string, number int64) string { return fmt.Sprintf("%s/%010d", id, number) }
