package infer

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// Bounds of a look, so that documents of any shape take bounded memory.
const (
	maxDepth  = 4   // levels of documents within documents
	maxFields = 500 // of one collection
	maxWords  = 40  // different words that a field may have to be one of codes
	maxProbes = 12  // values that are followed to see whether they refer to something
	wordTimes = 5   // a word that fewer documents have could tell who somebody is
)

// Shape is what a value looks like.
type Shape uint8

// The shapes. A field has one for each value that was met.
const (
	Text     Shape = iota + 1 // any text
	Word                      // short text without white space, as codes are
	DateText                  // 2026-01-31
	TimeText                  // 2026-01-31T10:00…
	Email                     // a@b.c
	Phone                     // digits, spaces, + and -
	Number                    // any number
	Whole                     // a number without a fraction
	Bool
	Moment // a BSON date
	ObjectID
	Document
	List
	Nothing // null
	Opaque  // binary data and other types
)

// String names the shape.
func (s Shape) String() string {
	names := [...]string{"", "text", "word", "date text", "time text", "email", "phone", "number", "whole number", "boolean", "date", "object id", "document", "array", "null", "other"}
	return names[s]
}

// Field is what a sample tells about one field.
type Field struct {
	Path   string        // dotted; "[]" behind an array means its elements
	Shapes map[Shape]int // how many values had which
	Count  int           // values that are not null
	Of     int           // documents, or elements of the array that it is in
	Words  map[string]int
	probes []store.Value
	// To is the collection whose keys the values are; empty when none.
	To string
}

// Share is how many of the documents have the field, from 0 to 1.
func (f *Field) Share() float64 { return float64(f.Count) / float64(max(f.Of, 1)) }

// only reports whether nearly all values have one of the shapes: a grown
// database always has some that are wrong.
func (f *Field) only(shapes ...Shape) bool {
	n := 0
	for _, s := range shapes {
		n += f.Shapes[s]
	}
	return f.Count > 0 && n*20 >= f.Count*19
}

// Codes lists the words that the values seem to be codes of, the most frequent
// first; nil when they do not look like codes.
func (f *Field) Codes() []string {
	if !f.only(Word) || f.Words == nil {
		return nil
	}
	var codes []string
	for w, n := range f.Words {
		if n >= wordTimes {
			codes = append(codes, w)
		}
	}
	slices.SortFunc(codes, func(a, b string) int {
		return cmp.Or(cmp.Compare(f.Words[b], f.Words[a]), strings.Compare(a, b))
	})
	return codes
}

// Sample is what was seen of one collection.
type Sample struct {
	Collection string // as the store knows it
	Documents  int    // that were looked at
	Fields     []*Field
}

// Look reads up to limit documents of each collection, and follows some of their
// values to the keys of the others.
func Look(ctx context.Context, st store.Store, collections []string, limit int) ([]*Sample, error) {
	var all []*Sample
	for _, name := range collections {
		s := &Sample{Collection: name}
		l := looker{sample: s, fields: make(map[string]*Field)}
		for doc, err := range st.Find(ctx, store.Query{Collection: name, Limit: limit}) {
			if err != nil {
				return nil, fmt.Errorf("look at %s: %w", name, err)
			}
			s.Documents++
			l.document(doc, "", 0)
		}
		l.finish()
		all = append(all, s)
	}
	for _, s := range all {
		for _, f := range s.Fields {
			if err := follow(ctx, st, s, f, all); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

type looker struct {
	sample *Sample
	fields map[string]*Field
	within map[string]int // elements met of each array
}

func (l *looker) document(doc bson.Raw, prefix string, depth int) {
	elements, err := doc.Elements()
	if err != nil {
		return // what cannot be read tells nothing
	}
	for _, e := range elements {
		l.value(prefix+e.Key(), e.Value(), depth)
	}
}

func (l *looker) value(path string, v bson.RawValue, depth int) {
	f := l.fields[path]
	if f == nil {
		if len(l.fields) >= maxFields {
			return
		}
		f = &Field{Path: path, Shapes: make(map[Shape]int), Words: make(map[string]int)}
		l.fields[path] = f
	}
	shape := shapeOf(v)
	f.Shapes[shape]++
	if shape == Nothing {
		return
	}
	f.Count++
	f.note(v, shape)
	switch {
	case depth == maxDepth:
	case shape == Document:
		l.document(v.Document(), path+".", depth+1)
	case shape == List:
		l.list(path+"[]", v.Array(), depth)
	}
}

// list looks at the elements of an array: fields of documents, or values by themselves.
func (l *looker) list(path string, a bson.RawArray, depth int) {
	values, err := a.Values()
	if err != nil {
		return
	}
	if l.within == nil {
		l.within = make(map[string]int)
	}
	l.within[path] += len(values)
	for _, v := range values {
		if shapeOf(v) == Document {
			l.document(v.Document(), path+".", depth+1)
			continue
		}
		l.value(path, v, depth+1)
	}
}

// note remembers words and some values to follow.
func (f *Field) note(v bson.RawValue, shape Shape) {
	if shape == Word && f.Words != nil {
		if f.Words[v.StringValue()]++; len(f.Words) > maxWords {
			f.Words = nil
		}
	}
	if (shape == Word || shape == Whole || shape == ObjectID) && len(f.probes) < maxProbes &&
		!slices.ContainsFunc(f.probes, func(p store.Value) bool { return p.Equal(v) }) {
		f.probes = append(f.probes, v)
	}
}

// finish says of how many each field is, and sorts them.
func (l *looker) finish() {
	for path, f := range l.fields {
		f.Of = l.sample.Documents
		if i := strings.LastIndex(path, "[]"); i >= 0 {
			f.Of = l.within[path[:i+2]]
		}
		l.sample.Fields = append(l.sample.Fields, f)
	}
	slices.SortFunc(l.sample.Fields, func(a, b *Field) int { return strings.Compare(a.Path, b.Path) })
}

var (
	dateText = regexp.MustCompile(`^\d{4}-\d{2}(-\d{2})?$`)
	timeText = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}`)
	emailish = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	phoneish = regexp.MustCompile(`^\+?[\d][\d ()/-]{5,}$`)
	wordish  = regexp.MustCompile(`^[\pL\d_.+/-]{1,24}$`)
)

func shapeOf(v bson.RawValue) Shape {
	switch v.Type {
	case bson.TypeString:
		return textShape(v.StringValue())
	case bson.TypeInt32, bson.TypeInt64:
		return Whole
	case bson.TypeDouble:
		if f := v.Double(); f == float64(int64(f)) {
			return Whole
		}
		return Number
	case bson.TypeDecimal128:
		return Number
	case bson.TypeBoolean:
		return Bool
	case bson.TypeDateTime:
		return Moment
	case bson.TypeObjectID:
		return ObjectID
	case bson.TypeEmbeddedDocument:
		return Document
	case bson.TypeArray:
		return List
	case bson.TypeNull, bson.TypeUndefined:
		return Nothing
	default:
		return Opaque
	}
}

func textShape(s string) Shape {
	switch {
	case s == "":
		return Nothing
	case dateText.MatchString(s):
		return DateText
	case timeText.MatchString(s):
		return TimeText
	case emailish.MatchString(s):
		return Email
	case phoneish.MatchString(s):
		return Phone
	case wordish.MatchString(s):
		return Word
	default:
		return Text
	}
}

// follow sets To when most of some values of the field are keys of one
// collection. A field that is short of values tells nothing.
func follow(ctx context.Context, st store.Store, s *Sample, f *Field, all []*Sample) error {
	if f.Path == "_id" || len(f.probes) == 0 || !f.only(Word, Whole, ObjectID) {
		return nil
	}
	for _, to := range all {
		n, err := st.Count(ctx, store.Query{Collection: to.Collection, Where: store.In{Path: "_id", Values: f.probes}})
		if err != nil {
			return fmt.Errorf("follow %s of %s to %s: %w", f.Path, s.Collection, to.Collection, err)
		}
		if int(n)*4 >= len(f.probes)*3 {
			f.To = to.Collection
			return nil
		}
	}
	return nil
}
