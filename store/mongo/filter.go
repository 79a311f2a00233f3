package mongo

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// compiled is a filter in MongoDB's language. Where it is not exact it takes
// more documents than the filter, never fewer.
type compiled struct {
	query bson.D // empty: every document
	none  bool   // no document
	exact bool
}

func everything() compiled { return compiled{exact: true} }
func nothing() compiled    { return compiled{none: true, exact: true} }
func widened() compiled    { return compiled{} }

// document gives the filter as the server takes it.
func (c compiled) document() bson.D {
	if c.none {
		return field("_id", field("$in", bson.A{}))
	}
	if c.query == nil {
		return bson.D{}
	}
	return c.query
}

// compile says f in MongoDB's language. Values of f appear only where
// MongoDB expects literals, never as an operator or a pattern.
func (d dialect) compile(f store.Filter) compiled {
	switch f := f.(type) {
	case nil:
		return everything()
	case store.And:
		return d.and(f)
	case store.Or:
		return d.or(f)
	case store.Not:
		return not(d.compile(f.Filter))
	case store.Elem:
		return d.elem(f)
	case store.In:
		if parts := split(f); parts != nil {
			return d.or(parts)
		}
	}
	path, conditions, exact := d.leaf(f)
	if conditions == nil {
		return compiled{exact: exact, none: exact}
	}
	if path == "_id" && len(conditions) == 1 && conditions[0].Key == "$eq" {
		if v, ok := conditions[0].Value.(store.Value); ok && bare(v) {
			// 4.4 takes its short cut for reading by _id only in this form.
			return compiled{query: field("_id", v), exact: true}
		}
	}
	return compiled{query: field(path, conditions), exact: exact}
}

// bare says whether a value means itself without $eq.
func bare(v store.Value) bool {
	switch v.Type {
	case bson.TypeString, bson.TypeObjectID, bson.TypeInt32, bson.TypeInt64, bson.TypeBinary:
		return true
	}
	return false
}

// leaf gives a condition on one value as the operators that follow a path; none
// when it never holds.
func (d dialect) leaf(f store.Filter) (path string, conditions bson.D, exact bool) {
	switch f := f.(type) {
	case store.Eq:
		return f.Path, field("$eq", f.Value), true
	case store.In:
		if len(f.Values) == 0 {
			return f.Path, nil, true
		}
		return f.Path, field("$in", f.Values), true
	case store.Range:
		var both bson.D
		if f.Low != nil {
			both = append(both, bound("$gt", *f.Low))
		}
		if f.High != nil {
			both = append(both, bound("$lt", *f.High))
		}
		return f.Path, both, true
	case store.Prefix:
		return d.regex(f.Path, f.Value, f.Fold, false)
	case store.Contains:
		return d.regex(f.Path, f.Value, f.Fold, true)
	case store.Exists:
		return f.Path, field("$exists", f.Want), true
	}
	return "", nil, true
}

func bound(op string, b store.Bound) bson.E {
	if b.Inclusive {
		op += "e"
	}
	return bson.E{Key: op, Value: b.Value}
}

func (d dialect) regex(path, value string, fold, contains bool) (string, bson.D, bool) {
	pattern, exact := d.literalPattern(value, contains)
	if fold {
		pattern, exact = d.foldPattern(value, contains)
	}
	return path, field("$regex", pattern), exact
}

func (d dialect) and(parts []store.Filter) compiled {
	out := everything()
	for _, f := range parts {
		c := d.compile(f)
		if c.none {
			return nothing()
		}
		out.exact = out.exact && c.exact
		out.query = conjoined(out.query, c.query)
	}
	return out
}

// conjoined gives a query for what satisfies both: one document with all their
// conditions where no key is in both, since that is what every planner
// understands best.
func conjoined(a, b bson.D) bson.D {
	if len(b) == 0 {
		return a
	}
	if len(a) == 0 {
		return b
	}
	out, both := append(bson.D(nil), a...), bson.A{}
	for _, e := range b {
		if !has(out, e.Key) {
			out = append(out, e)
			continue
		}
		if !merged(out, e) {
			both = append(both, bson.D{e})
		}
	}
	switch {
	case len(both) == 0:
		return out
	case has(out, "$and"):
		return field("$and", bson.A{a, b})
	}
	return append(out, bson.E{Key: "$and", Value: both})
}

// merged adds the operators of e to those that d has for the same path, if none
// is there twice: they are conditions of their own all the same, and $elemMatch
// takes them in this form on servers where it does not take $and.
func merged(d bson.D, e bson.E) bool {
	more, ok := e.Value.(bson.D)
	if !ok || !operators(more) {
		return false
	}
	for i := range d {
		if d[i].Key != e.Key {
			continue
		}
		have, ok := d[i].Value.(bson.D)
		if !ok || !operators(have) {
			return false
		}
		for _, op := range more {
			if has(have, op.Key) {
				return false
			}
		}
		d[i].Value = append(append(bson.D(nil), have...), more...)
		return true
	}
	return false
}

// operators reports whether d holds nothing but operators on a value.
func operators(d bson.D) bool {
	for _, e := range d {
		if !strings.HasPrefix(e.Key, "$") || e.Key == "$and" || e.Key == "$or" || e.Key == "$nor" {
			return false
		}
	}
	return len(d) > 0
}

func has(d bson.D, key string) bool {
	for _, e := range d {
		if e.Key == key {
			return true
		}
	}
	return false
}

// split takes those values out of an In that MongoDB refuses in a list: it
// would read documents with such names as operators. nil when there are none.
func split(f store.In) []store.Filter {
	plain := store.In{Path: f.Path}
	var parts []store.Filter
	for _, v := range f.Values {
		if looksLikeOperator(v) {
			parts = append(parts, store.Eq{Path: f.Path, Value: v})
			continue
		}
		plain.Values = append(plain.Values, v)
	}
	if parts == nil {
		return nil
	}
	return append(parts, plain)
}

func looksLikeOperator(v store.Value) bool {
	d, ok := v.DocumentOK()
	if !ok {
		return false
	}
	first, err := d.IndexErr(0)
	return err == nil && strings.HasPrefix(first.Key(), "$")
}

func (d dialect) or(parts []store.Filter) compiled {
	out, any := nothing(), bson.A{}
	for _, f := range parts {
		c := d.compile(f)
		switch {
		case c.none:
			continue
		case c.query == nil:
			return c // every document; checked again where that is not exact
		}
		out.none = false
		out.exact = out.exact && c.exact
		any = append(any, c.query)
		out.query = c.query
	}
	if len(any) > 1 {
		out.query = field("$or", any)
	}
	return out
}

// not negates. What takes more than it should cannot be negated.
func not(c compiled) compiled {
	switch {
	case !c.exact:
		return widened()
	case c.none:
		return everything()
	case c.query == nil:
		return nothing()
	}
	if len(c.query) == 1 && !strings.HasPrefix(c.query[0].Key, "$") {
		// A condition on one path, which has bounds in an index.
		conditions, ok := c.query[0].Value.(bson.D)
		if !ok {
			conditions = field("$eq", c.query[0].Value)
		}
		if !has(conditions, "$not") {
			return compiled{query: field(c.query[0].Key, field("$not", conditions)), exact: true}
		}
	}
	return compiled{query: field("$nor", bson.A{c.query}), exact: true}
}
