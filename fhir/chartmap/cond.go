package chartmap

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/portico-fhir/portico/store"
)

// cond is a condition on one document (or one element of an array) that a
// search value became on its way through a lens.
//
// What a store's filters can say is exact. A few things they cannot: whether a
// string is a well-formed date, or whether two fields are equal. Then the filter
// is bounded from both sides: every match satisfies upper, and whatever satisfies
// lower is a match. What lies between is decided by reading the document.
type cond interface {
	upper() store.Filter
	lower() store.Filter
	match(doc store.Doc) bool
	exact() bool // upper and lower are the same
}

// As interfaces they cost nothing to be handed on.
var (
	always cond = exactly{store.All()}
	never  cond = exactly{store.None()}
)

// exactly is a condition that a filter says fully.
type exactly struct{ f store.Filter }

func (c exactly) upper() store.Filter      { return c.f }
func (c exactly) lower() store.Filter      { return c.f }
func (c exactly) match(doc store.Doc) bool { return store.Match(c.f, doc) }
func (c exactly) exact() bool              { return true }

// roughly is a condition of which the filter only gives a bound.
type roughly struct {
	above store.Filter
	test  func(doc store.Doc) bool
}

func (c roughly) upper() store.Filter      { return c.above }
func (c roughly) lower() store.Filter      { return store.None() }
func (c roughly) match(doc store.Doc) bool { return c.test(doc) }
func (c roughly) exact() bool              { return false }

// bounded is a condition of which filters give both bounds.
type bounded struct {
	roughly
	below store.Filter
}

func (c bounded) lower() store.Filter { return c.below }

type (
	allOf  []cond
	anyOf  []cond
	negate struct{ c cond }
	inside struct {
		path string
		c    cond
	}
)

func (cs allOf) upper() store.Filter { return conjunction(each(cs, cond.upper)) }
func (cs allOf) lower() store.Filter { return conjunction(each(cs, cond.lower)) }
func (cs allOf) exact() bool         { return !slices.ContainsFunc(cs, inexact) }
func (cs allOf) match(doc store.Doc) bool {
	return !slices.ContainsFunc(cs, func(c cond) bool { return !c.match(doc) })
}

func (cs anyOf) upper() store.Filter { return disjunction(each(cs, cond.upper)) }
func (cs anyOf) lower() store.Filter { return disjunction(each(cs, cond.lower)) }
func (cs anyOf) exact() bool         { return !slices.ContainsFunc(cs, inexact) }
func (cs anyOf) match(doc store.Doc) bool {
	return slices.ContainsFunc(cs, func(c cond) bool { return c.match(doc) })
}

func (n negate) upper() store.Filter      { return negation(n.c.lower()) }
func (n negate) lower() store.Filter      { return negation(n.c.upper()) }
func (n negate) exact() bool              { return n.c.exact() }
func (n negate) match(doc store.Doc) bool { return !n.c.match(doc) }

// inside holds where one element of the array at path satisfies c.
func (i inside) upper() store.Filter { return element(i.path, i.c.upper()) }
func (i inside) lower() store.Filter { return element(i.path, i.c.lower()) }
func (i inside) exact() bool         { return i.c.exact() }
func (i inside) match(doc store.Doc) bool {
	if i.exact() {
		return store.Match(i.upper(), doc)
	}
	v := store.Lookup(doc, i.path)
	if v.Type != bson.TypeArray {
		return false
	}
	values, err := bson.RawArray(v.Value).Values()
	return err == nil && slices.ContainsFunc(values, func(e bson.RawValue) bool {
		switch e.Type {
		case bson.TypeEmbeddedDocument:
			return i.c.match(e.Value)
		case bson.TypeArray:
			return false
		}
		return onValue(i.c.upper()) && i.c.match(unnamed(e))
	})
}

// onValue reports whether a condition on an element is one on the element itself, not on its
// fields.
func onValue(f store.Filter) bool {
	switch f := f.(type) {
	case store.And:
		return slices.ContainsFunc(f, onValue)
	case store.Or:
		return slices.ContainsFunc(f, onValue)
	case store.Not:
		return onValue(f.Filter)
	case store.Range:
		return f.Path == ""
	case store.Prefix:
		return f.Path == ""
	case store.Contains:
		return f.Path == ""
	}
	return false
}

// unnamed gives a document in which the path "" leads to a value.
func unnamed(v bson.RawValue) store.Doc {
	return store.Doc(bsoncore.NewDocumentBuilder().AppendValue("", bsoncore.Value{Type: bsoncore.Type(v.Type), Data: v.Value}).Build())
}

func inexact(c cond) bool { return !c.exact() }

func each[C ~[]cond](cs C, f func(cond) store.Filter) []store.Filter {
	out := make([]store.Filter, len(cs))
	for i, c := range cs {
		out[i] = f(c)
	}
	return out
}

// every and some are allOf and anyOf with constants folded.
func every(cs ...cond) cond {
	n, only := 0, always
	for _, c := range cs {
		switch {
		case isNever(c):
			return never
		case !isAlways(c):
			n, only = n+1, c
		}
	}
	if n < 2 {
		return only
	}
	return without(make(allOf, 0, n), cs, isAlways)
}

func some(cs ...cond) cond {
	n, only := 0, never
	for _, c := range cs {
		switch {
		case isAlways(c):
			return always
		case !isNever(c):
			n, only = n+1, c
		}
	}
	if n < 2 {
		return only
	}
	return without(make(anyOf, 0, n), cs, isNever)
}

// without appends the conditions that are not of a kind.
func without[C ~[]cond](out C, cs []cond, drop func(cond) bool) C {
	for _, c := range cs {
		if !drop(c) {
			out = append(out, c)
		}
	}
	return out
}

func not(c cond) cond {
	switch {
	case isAlways(c):
		return never
	case isNever(c):
		return always
	}
	if n, ok := c.(negate); ok {
		return n.c
	}
	return negate{c}
}

func isAlways(c cond) bool { e, ok := c.(exactly); return ok && all(e.f) }
func isNever(c cond) bool  { e, ok := c.(exactly); return ok && none(e.f) }

func all(f store.Filter) bool {
	a, ok := f.(store.And)
	return f == nil || ok && len(a) == 0
}

func none(f store.Filter) bool { o, ok := f.(store.Or); return ok && len(o) == 0 }

// conjunction flattens, folds constants and drops guards that are there twice.
func conjunction(fs []store.Filter) store.Filter {
	var out store.And
	for _, f := range fs {
		parts, nested := f.(store.And)
		if !nested {
			parts = store.And{f}
		}
		for _, p := range parts {
			switch {
			case none(p):
				return store.None()
			case all(p), isGuard(p) && slices.ContainsFunc(out, func(o store.Filter) bool { return isGuard(o) && o == p }):
			default:
				out = append(out, p)
			}
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

func disjunction(fs []store.Filter) store.Filter {
	var out store.Or
	for _, f := range fs {
		switch {
		case all(f):
			return store.All()
		case !none(f):
			out = append(out, f)
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

func negation(f store.Filter) store.Filter {
	switch {
	case all(f):
		return store.None()
	case none(f):
		return store.All()
	}
	if n, ok := f.(store.Not); ok {
		return n.Filter
	}
	return store.Not{Filter: f}
}

// element is Elem with the alternatives of its condition outside: one element
// satisfies a or b where one satisfies a, or one satisfies b. Indexes over
// arrays are used that way, and not all servers know $or within $elemMatch.
func element(path string, f store.Filter) store.Filter {
	any := alternatives(f, false)
	if any == nil {
		any = []store.Filter{f}
	}
	for i, g := range any {
		switch {
		case none(g):
			continue
		case all(g):
			g = store.Exists{Want: true}
		}
		any[i] = store.Elem{Path: path, Where: g}
	}
	return disjunction(any)
}

// maxAlternatives bounds how far conditions are multiplied out.
const maxAlternatives = 16

// alternatives gives the conjunctions of which one must hold, or of which none
// must when negated; nil where there would be too many.
func alternatives(f store.Filter, negated bool) []store.Filter {
	parts, isOr := []store.Filter(nil), false
	switch f := f.(type) {
	case store.Not:
		return alternatives(f.Filter, !negated)
	case store.And:
		parts, isOr = f, negated
	case store.Or:
		parts, isOr = f, !negated
	default:
		if negated {
			f = store.Not{Filter: f}
		}
		return []store.Filter{f}
	}
	out := []store.Filter{}
	if !isOr {
		out = append(out, store.All())
	}
	for _, p := range parts {
		add := alternatives(p, negated)
		switch {
		case add == nil, isOr && len(out)+len(add) > maxAlternatives, !isOr && len(out)*len(add) > maxAlternatives:
			return nil
		case isOr:
			out = append(out, add...)
			continue
		}
		var product []store.Filter
		for _, have := range out {
			for _, more := range add {
				product = append(product, conjunction([]store.Filter{have, more}))
			}
		}
		out = product
		if out == nil {
			out = []store.Filter{}
		}
	}
	return out
}

// guard holds where path is not an array with elements. A rule for one value
// does not read arrays, so its conditions must not look into them.
func guard(path string) store.Filter {
	return store.Not{Filter: store.Elem{Path: path, Where: store.Exists{Want: true}}}
}

func isGuard(f store.Filter) bool {
	n, ok := f.(store.Not)
	if !ok {
		return false
	}
	e, ok := n.Filter.(store.Elem)
	if !ok {
		return false
	}
	x, ok := e.Where.(store.Exists)
	return ok && x == store.Exists{Want: true}
}
