package mongo

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// elem compiles a condition on one element. MongoDB has two forms of
// $elemMatch: a query on the fields of an element that is a document, and
// operators on the element itself.
func (d dialect) elem(f store.Elem) compiled {
	if onFields(f.Where) {
		c := d.compile(f.Where)
		if c.none {
			return c
		}
		return compiled{query: field(f.Path, field("$elemMatch", c.document())), exact: c.exact}
	}
	path, alternatives, exact := f.Path, d.alternatives(f.Where, false), true
	var any bson.A
	for _, a := range alternatives {
		any = append(any, field(path, field("$elemMatch", a.operators())))
		exact = exact && a.exact
	}
	switch len(any) {
	case 0:
		return nothing()
	case 1:
		return compiled{query: any[0].(bson.D), exact: exact}
	}
	return compiled{query: field("$or", any), exact: exact}
}

// onFields says whether f, within an Elem, is about the fields of the element.
func onFields(f store.Filter) bool {
	switch f := f.(type) {
	case store.And:
		return anyOnFields(f)
	case store.Or:
		return anyOnFields(f)
	case store.Not:
		return onFields(f.Filter)
	case store.Elem:
		return f.Path != ""
	case nil:
		return false
	}
	return leafPath(f) != ""
}

func anyOnFields(fs []store.Filter) bool {
	for _, f := range fs {
		if onFields(f) {
			return true
		}
	}
	return false
}

func leafPath(f store.Filter) string {
	switch f := f.(type) {
	case store.Eq:
		return f.Path
	case store.In:
		return f.Path
	case store.Range:
		return f.Path
	case store.Prefix:
		return f.Path
	case store.Contains:
		return f.Path
	case store.Exists:
		return f.Path
	}
	return ""
}

// conjunction is what one element must satisfy: operators that all hold. A
// server reads each operator once, so a second one of a kind is left to the
// check that follows.
type conjunction struct {
	ops   bson.D
	exact bool
}

// operators gives them as MongoDB takes them.
func (c conjunction) operators() bson.D {
	if len(c.ops) == 0 {
		return field("$exists", true)
	}
	return c.ops
}

func (c conjunction) and(o conjunction) conjunction {
	out := conjunction{ops: append(bson.D(nil), c.ops...), exact: c.exact && o.exact}
next:
	for _, op := range o.ops {
		for _, have := range out.ops {
			if have.Key == op.Key {
				out.exact = false
				continue next
			}
		}
		out.ops = append(out.ops, op)
	}
	return out
}

// maxAlternatives bounds what alternatives writes out.
const maxAlternatives = 32

// alternatives brings a condition on an element itself into the one shape that
// the operators can say: one of several conjunctions.
func (d dialect) alternatives(f store.Filter, negated bool) []conjunction {
	switch f := f.(type) {
	case store.Not:
		return d.alternatives(f.Filter, !negated)
	case store.And:
		if negated {
			return d.union(f, true)
		}
		return d.product(f, false)
	case store.Or:
		if negated {
			return d.product(f, true)
		}
		return d.union(f, false)
	}
	var c compiled
	switch f := f.(type) {
	case nil:
		c = everything()
	case store.Exists:
		c = everything()
		if !f.Want { // an element is always there
			c = nothing()
		}
	case store.In:
		if parts := split(f); parts != nil {
			return d.alternatives(store.Or(parts), negated)
		}
		c = d.compile(f)
	case store.Elem:
		c = d.elem(f)
		if len(c.query) == 1 && c.query[0].Key == "$or" {
			c = widened()
		}
	default:
		c = d.compile(f)
	}
	return literal(c, negated)
}

// literal is one condition or its opposite, without its path, which is empty.
func literal(c compiled, negated bool) []conjunction {
	switch {
	case negated && !c.exact:
		return []conjunction{{}}
	case c.none && !negated, c.query == nil && negated && c.exact:
		return nil
	case c.none || c.query == nil:
		return []conjunction{{exact: c.exact}}
	}
	ops, ok := c.query[0].Value.(bson.D)
	if !ok {
		return []conjunction{{}}
	}
	if negated {
		ops = field("$not", ops)
	}
	return []conjunction{{ops: ops, exact: c.exact}}
}

func (d dialect) union(parts []store.Filter, negated bool) []conjunction {
	var out []conjunction
	for _, f := range parts {
		out = append(out, d.alternatives(f, negated)...)
	}
	if len(out) > maxAlternatives {
		return []conjunction{{}}
	}
	return out
}

func (d dialect) product(parts []store.Filter, negated bool) []conjunction {
	out := []conjunction{{exact: true}}
	for _, f := range parts {
		var longer []conjunction
		for _, a := range out {
			for _, b := range d.alternatives(f, negated) {
				longer = append(longer, a.and(b))
			}
		}
		if len(longer) > maxAlternatives {
			return []conjunction{{}}
		}
		out = longer
	}
	return out
}
