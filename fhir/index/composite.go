package index

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
)

// component is a part of a composite parameter.
type component struct {
	*param
	expr *path.Expr
}

// componentsOf compiles the parts of a composite: the type of each is that of the
// parameter which defines it. Those of a parameter that is not R4's have entries of
// their own, behind its code: what a part selects need not be what the parameter that
// defines it selects.
func componentsOf(p *param, own bool) []component {
	var all []component
	for i, part := range p.Components {
		c := component{param: &param{SearchParam: search.Part(part)}, expr: path.MustParse(part.Expression)}
		if own {
			c.code = p.code + string(rune('0'+i))
		}
		all = append(all, c)
	}
	return all
}

// apart reports whether a composite has entries of its own.
func (p *param) apart() bool { return len(p.components) > 0 && p.components[0].code != "" }

// maxPartValues bounds the values of the parts of a composite in one resource. A part that stands
// elsewhere in it, as by %resource, is read for each element: what has more is looked at no
// further.
const maxPartValues = 1 << 18

// elements calls f with the elements that a composite is about, and the values of each
// of its parts there, until f returns false.
func (r *reader) elements(p *param, resource path.Item, f func(parts [][]value) bool) {
	left := maxPartValues
	for _, e := range p.exprs {
		items, err := e.Eval(nil, resource)
		if err != nil {
			continue // the expression does not fit this resource
		}
		for _, element := range items {
			parts := make([][]value, len(p.components))
			for i, part := range p.components {
				found, err := part.expr.Eval(nil, element)
				if err != nil {
					continue
				}
				for _, it := range found {
					parts[i] = r.take(parts[i], part.Type, it)
				}
				left -= len(parts[i])
			}
			if left < 0 || !f(parts) {
				return
			}
		}
	}
}

// complete reports whether all parts of a composite are there in an element.
func complete(p *param, parts [][]value) bool {
	for i, part := range p.components {
		if !present(part.param, parts[i]) {
			return false
		}
	}
	return len(parts) > 0
}

// compositeKeys adds the entries of a composite that has its own: those of all parts,
// for each element that has them all.
func (r *reader) compositeKeys(out *keyList, p *param, resource path.Item) {
	r.elements(p, resource, func(parts [][]value) bool {
		if !complete(p, parts) {
			return true
		}
		for i, part := range p.components {
			from := len(out.keys)
			for j := range parts[i] {
				parts[i][j].keys(out, part.param)
			}
			if part.Type == fhir.ParamToken {
				out.told(from, part.code)
			}
		}
		return true
	})
}

// composite holds where one element satisfies all components (R4 3.1.1.4.15), and with
// :missing, where none has them all.
func (c *candidate) composite(p *param, t fhir.Term) (holds bool) {
	if missing, ok := t.Value.(fhir.BoolValue); ok {
		there := false
		c.read.elements(p, c.root, func(parts [][]value) bool {
			there = complete(p, parts)
			return !there
		})
		return there != bool(missing)
	}
	terms, ok := t.Value.(fhir.CompositeValue)
	if !ok || len(terms) != len(p.components) {
		return false
	}
	c.read.elements(p, c.root, func(parts [][]value) bool {
		holds = c.components(p, parts, terms)
		return !holds
	})
	return holds
}

// components reports whether each part has a value that satisfies its term.
func (c *candidate) components(p *param, parts [][]value, terms fhir.CompositeValue) bool {
	for i, values := range parts {
		if missing, ok := terms[i].Value.(fhir.BoolValue); ok {
			if present(p.components[i].param, values) == bool(missing) {
				return false
			}
			continue
		}
		found := false
		for j := range values {
			found = found || c.satisfies(&values[j], terms[i])
		}
		if !found {
			return false
		}
	}
	return true
}

// composite narrows by the parts: by entries of their own, or else by the parameters that
// they are. Whether one element has them all shows only by looking.
func (c *compiler) composite(p *param, v fhir.CompositeValue) (Plan, error) {
	if len(v) != len(p.components) {
		return Plan{Where: store.None(), Exact: true}, nil
	}
	if len(v) == 2 && c.typ.pair != nil && p == c.typ.pair.composite {
		if plan, ok := c.paired(v[0], v[1]); ok {
			plan.Exact = false // the code has no system there, and the number no unit
			return plan, nil
		}
	}
	var all store.And
	for i, t := range v {
		own := c.typ.byName[t.Param.Name]
		narrow := func() (Plan, error) { return c.term(t) }
		switch {
		case p.apart():
			narrow = func() (Plan, error) { return c.value(p.components[i].param, t) }
		case own == nil || own.SearchParam != t.Param:
			continue
		}
		part, err := narrow()
		if err != nil {
			return Plan{}, err
		}
		all = append(all, part.Where)
	}
	return Plan{Where: all}, nil
}

// missing asks whether there is an element with all parts. Where a composite has no
// entries of its own, the parts only tell where there is none.
func (c *compiler) missing(p *param, missing bool) Plan {
	switch {
	case p.Type != fhir.ParamComposite || p.apart():
		there := c.there(p)
		if missing {
			there = store.Not{Filter: there}
		}
		return exact(there)
	case missing:
		return Plan{Where: store.All()}
	}
	var all store.And
	for _, part := range p.components {
		if own := c.typ.byName[part.Name]; own != nil && own.SearchParam == part.SearchParam && !own.aside {
			all = append(all, c.there(own))
		}
	}
	return Plan{Where: all}
}
