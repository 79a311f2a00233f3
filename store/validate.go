package store

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// MaxDocument is the most bytes that a document may have, as in MongoDB.
const MaxDocument = 16 << 20

// Validate refuses, with ErrInvalid, a query that no backend should try: a bad
// collection name or path, a filter with a missing part, a cursor that does not
// fit the order, a negative limit.
func (q Query) Validate() error {
	if err := checkCollection(q.Collection); err != nil {
		return err
	}
	if q.Where != nil {
		if err := checkFilter(q.Where, false, maxDepth); err != nil {
			return err
		}
	}
	if err := checkKeys(q.Order); err != nil {
		return err
	}
	if n := len(CompleteOrder(q.Order)); q.After != nil && len(q.After) != n {
		return fmt.Errorf("%w: the cursor has %d values, its order %d", ErrInvalid, len(q.After), n)
	}
	for _, v := range q.After {
		if !valid(v, maxDepth) {
			return fmt.Errorf("%w: malformed cursor", ErrInvalid)
		}
	}
	if q.Limit < 0 || q.MaxSort < 0 {
		return fmt.Errorf("%w: negative limit", ErrInvalid)
	}
	for i, k := range q.Order {
		if w := k.Within; w != nil && (strings.Contains(k.Path, ".") || k.Path == "_id" || w.Required && i > 0) {
			return fmt.Errorf("%w: a sort within %q", ErrInvalid, k.Path)
		}
	}
	for _, f := range q.Fields {
		if err := checkPath(f); err != nil {
			return err
		}
		if strings.Contains(f, ".") {
			return fmt.Errorf("%w: %q is not a top-level field", ErrInvalid, f)
		}
	}
	return nil
}

// Validate refuses, with ErrInvalid, an op that is malformed in itself, and
// with ErrTooLarge a document above MaxDocument. Members that mean nothing for
// the kind must be empty, an Update must change something. A document must be
// well-formed BSON, at most 100 levels deep, and start with its _id (MongoDB
// would move it there), which is no array, regular expression or undefined. Its
// top-level names do not start with $; apart from that a name may be anything,
// though no path reaches one that is empty, starts with $ or contains a dot.
func (op Op) Validate() error {
	if err := checkCollection(op.Collection); err != nil {
		return err
	}
	if op.If != nil {
		if err := checkFilter(op.If, false, maxDepth); err != nil {
			return err
		}
	}
	changes := len(op.Set) + len(op.Unset)
	switch op.Kind {
	case Insert:
		if !Missing(op.ID) || op.If != nil || changes > 0 {
			return fmt.Errorf("%w: an insert has only a document", ErrInvalid)
		}
		return checkDoc(op.Doc)
	case Replace:
		if changes > 0 {
			return fmt.Errorf("%w: a replacement sets no fields", ErrInvalid)
		}
		if err := checkDoc(op.Doc); err != nil {
			return err
		}
		if id := ID(op.Doc); id.Type != op.ID.Type || !bytes.Equal(id.Value, op.ID.Value) {
			return fmt.Errorf("%w: the replacement has another _id", ErrInvalid)
		}
	case Update:
		if op.Doc != nil || changes == 0 {
			return fmt.Errorf("%w: an update has fields to change and no document", ErrInvalid)
		}
		if _, err := plan(op.Set, op.Unset); err != nil {
			return err
		}
	case Delete:
		if op.Doc != nil || changes > 0 {
			return fmt.Errorf("%w: a deletion has only an _id", ErrInvalid)
		}
	default:
		return fmt.Errorf("%w: unknown kind of op", ErrInvalid)
	}
	return checkID(op.ID)
}

// Validate refuses, with ErrInvalid, an index that is malformed.
func (ix Index) Validate() error {
	if err := checkCollection(ix.Collection); err != nil {
		return err
	}
	if ix.Name == "" || strings.HasPrefix(ix.Name, "_id") || strings.ContainsAny(ix.Name, "\x00$*") {
		return fmt.Errorf("%w: index name %q", ErrInvalid, ix.Name)
	}
	if len(ix.Keys) == 0 {
		return fmt.Errorf("%w: index %s has no keys", ErrInvalid, ix.Name)
	}
	if err := checkKeys(ix.Keys); err != nil {
		return fmt.Errorf("index %s: %w", ix.Name, err)
	}
	for _, k := range ix.Keys {
		if k.Within != nil {
			return fmt.Errorf("%w: index %s is of parts of arrays", ErrInvalid, ix.Name)
		}
	}
	if ix.Loose && (ix.Unique || len(ix.Keys) < 2 || ix.Keys[len(ix.Keys)-1].Path != "_id") {
		return fmt.Errorf("%w: loose index %s must not be unique, and end with _id", ErrInvalid, ix.Name)
	}
	if ix.ExpireAfter < 0 || ix.ExpireAfter > 0 && (len(ix.Keys) != 1 || ix.Keys[0].Path == "_id") {
		return fmt.Errorf("%w: expiring index %s needs a single key other than _id, and a positive time", ErrInvalid, ix.Name)
	}
	return nil
}

// checkCollection accepts what every backend can use as a name.
func checkCollection(name string) error {
	if name == "" || len(name) > 200 || !utf8.ValidString(name) || strings.ContainsAny(name, "\x00$ /\\\"") ||
		strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.HasPrefix(name, "system.") {
		return fmt.Errorf("%w: collection name %q", ErrInvalid, name)
	}
	return nil
}

func checkKeys(keys []Key) error {
	if len(keys) >= maxCursor {
		return fmt.Errorf("%w: more than %d keys", ErrInvalid, maxCursor-1)
	}
	for i, k := range keys {
		if err := checkPath(k.Path); err != nil {
			return err
		}
		for _, l := range keys[:i] {
			if k.Path == l.Path && (k.Within == nil || l.Within == nil) {
				return fmt.Errorf("%w: key %q is given twice", ErrInvalid, k.Path)
			}
		}
	}
	return nil
}

func checkDoc(d Doc) error {
	if len(d) > MaxDocument {
		return ErrTooLarge
	}
	if !valid(Value{Type: bson.TypeEmbeddedDocument, Value: d}, maxDepth) {
		return fmt.Errorf("%w: malformed or too deep a document", ErrInvalid)
	}
	for i, elems := 0, body(d); ; i++ {
		name, _, rest, ok := next(elems)
		switch {
		case i == 0 && string(name) != "_id":
			return fmt.Errorf("%w: a document does not start with _id", ErrInvalid)
		case !ok:
			return checkID(ID(d))
		case len(name) > 0 && name[0] == '$':
			return fmt.Errorf("%w: a top-level name starts with $", ErrInvalid)
		}
		elems = rest
	}
}

func checkID(id Value) error {
	switch id.Type {
	case bson.TypeArray, bson.TypeRegex, bson.TypeUndefined, 0:
		return fmt.Errorf("%w: no _id, or one of a type that cannot be one", ErrInvalid)
	}
	if !valid(id, maxDepth) {
		return fmt.Errorf("%w: malformed _id", ErrInvalid)
	}
	return nil
}

// checkFilter checks f, and within Elem that it is either about the element
// itself (paths "") or about its fields, since MongoDB cannot mix them.
func checkFilter(f Filter, elem bool, depth int) error {
	if depth == 0 {
		return fmt.Errorf("%w: filter nests too deeply", ErrInvalid)
	}
	switch f := f.(type) {
	case And:
		return checkFilters(f, elem, depth)
	case Or:
		return checkFilters(f, elem, depth)
	case Not:
		return checkFilter(f.Filter, elem, depth-1)
	}
	path, ok := pathOf(f)
	if !ok {
		return fmt.Errorf("%w: filter %T", ErrInvalid, f)
	}
	if path != "" || !elem {
		if err := checkPath(path); err != nil {
			return err
		}
	}
	switch f := f.(type) {
	case Eq:
		return checkLiteral(f.Value)
	case In:
		for _, v := range f.Values {
			if err := checkLiteral(v); err != nil {
				return err
			}
		}
	case Range:
		return checkRange(f)
	case Prefix:
		return checkText(f.Value)
	case Contains:
		return checkText(f.Value)
	case Elem:
		if onFields(f.Where) && onItself(f.Where) {
			return fmt.Errorf("%w: an Elem on both the element and its fields", ErrInvalid)
		}
		return checkFilter(f.Where, true, depth-1)
	}
	return nil
}

func checkFilters(fs []Filter, elem bool, depth int) error {
	for _, f := range fs {
		if err := checkFilter(f, elem, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// onItself reports whether f, within Elem, has a condition on the element
// itself.
func onItself(f Filter) bool {
	switch f := f.(type) {
	case And:
		for _, g := range f {
			if onItself(g) {
				return true
			}
		}
	case Or:
		for _, g := range f {
			if onItself(g) {
				return true
			}
		}
	case Not:
		return onItself(f.Filter)
	}
	path, ok := pathOf(f)
	return ok && path == ""
}

func checkRange(f Range) error {
	if f.Low == nil && f.High == nil {
		return fmt.Errorf("%w: range on %q without bounds", ErrInvalid, f.Path)
	}
	for _, b := range []*Bound{f.Low, f.High} {
		if b != nil {
			if err := checkLiteral(b.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkLiteral refuses what no server compares with literally.
func checkLiteral(v Value) error {
	if v.Type == bson.TypeRegex || v.Type == bson.TypeUndefined || !valid(v, maxDepth) {
		return fmt.Errorf("%w: value of a filter", ErrInvalid)
	}
	return nil
}

func checkText(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: text of a filter is not UTF-8", ErrInvalid)
	}
	return nil
}
