package chartmap

import (
	"math/big"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
)

// coded compiles $codes.
func (c *compiler) coded(r directives, as string, elem schema.Element, field ref, sc *scope, o *origin) lens {
	if r.keys["$codes"] == nil {
		c.add(r.node, "add $codes: table", "%s: $as: %s without $codes", o.path, as)
		return nil
	}
	name := c.str(r.keys["$codes"], "$codes")
	t := c.tables[name]
	if t == nil {
		var names []string
		for n := range c.tables {
			names = append(names, n)
		}
		slices.Sort(names)
		fix := "define it under codes"
		if near := fhir.Nearest(name, names); near != "" {
			fix = "did you mean " + near + "?"
		}
		c.add(r.keys["$codes"], fix, "%s: there is no code table %q", o.path, name)
		return nil
	}
	t.used = true
	c.noDefault(r, o.path)
	want := map[string]string{"code": "", "CodeableConcept": "concept", "Coding": "coding"}
	if w, ok := want[elem.Type]; !ok || as != "" && as != w {
		c.add(r.node, fixAs(elem.Type), "%s is a %s; $codes does not give one like that", o.path, elem.Type)
		return nil
	}
	l := &coded{ref: field, typ: elem.Type, table: t, codes: elem.Codes, vs: elem.ValueSet, at: o}
	switch c.onUnknownCode {
	case "keep-local":
		l.keep = true
	case "data-absent":
		l.dataAbs = elem.Type == "CodeableConcept"
	case "error":
		if c.inEach {
			c.add(r.node, "use keep-local or data-absent", "%s: onUnknownCode: error does not work within $each", o.path)
		}
		c.strict = append(c.strict, not(l.unknownCode()))
	}
	for i := range t.entries {
		if e := &t.entries[i]; elem.Codes != nil && !slices.Contains(elem.Codes, e.code) {
			fix := "allowed: " + strings.Join(elem.Codes, ", ")
			if near := fhir.Nearest(e.code, elem.Codes); near != "" {
				fix = "did you mean " + near + "?"
			}
			c.add(t.node, fix, "code table %q has %q, which %s does not allow", t.name, e.code, o.path)
		}
	}
	if n := r.keys["$text"]; n != nil {
		if elem.Type != "CodeableConcept" {
			c.add(n, "remove it", "%s is a %s and has no text", o.path, elem.Type)
		} else if label, ok := c.elementPath(n, sc, "$text"); ok {
			c.writes(label.path, r)
			l.label = &label
		}
	}
	return l
}

// ids gives the coder for references to a type, or for the ids of a type itself.
func (l *loader) ids(t fhir.Type) ids { return l.known[t] }

// reference compiles $ref and $refBy.
func (c *compiler) reference(r directives, elem schema.Element, sc *scope, at string) lens {
	if elem.Type != "Reference" {
		c.add(r.node, fixAs(elem.Type), "%s is a %s, not a Reference", at, elem.Type)
		return nil
	}
	field, ok := c.elementPath(r.keys["$from"], sc, at)
	if r.keys["$from"] == nil {
		c.add(r.node, "add $from: path of the key", "%s: a reference without $from", at)
	}
	if !ok {
		return nil
	}
	c.writes(field.path, r)
	l := &reference{ref: field, at: &origin{r.node.Line, at}}
	target := func(n *yaml.Node) fhir.Type {
		t := c.resource(n, at)
		if t != "" && elem.Targets != nil && !slices.Contains(elem.Targets, t) {
			var names []string
			for _, t := range elem.Targets {
				names = append(names, string(t))
			}
			c.add(n, "allowed: "+strings.Join(names, ", "), "%s cannot refer to a %s", at, t)
		}
		return t
	}
	if r.kind == "$ref" {
		t := target(r.keys["$ref"])
		l.roles = []role{{typ: t, ids: c.ids(t)}}
	} else {
		by, ok := c.elementPath(r.keys["$refBy"], sc, at)
		if !ok {
			return nil
		}
		c.writes(by.path, r)
		l.by = &by
		if r.keys["$types"] == nil {
			c.add(r.node, "add $types: { role: Type }", "%s: $refBy without $types", at)
			return nil
		}
		for _, e := range c.entries(r.keys["$types"], "$types") {
			t := target(e.value)
			l.roles = append(l.roles, role{from: store.String(e.name), typ: t, ids: c.ids(t)})
		}
		if len(l.roles) == 0 {
			return nil
		}
	}
	if n := r.keys["$omitSelf"]; n != nil && c.boolean(n, "$omitSelf") {
		switch {
		case c.inEach:
			c.add(n, "", "%s: $omitSelf does not work within $each", at)
		case r.kind != "$ref" || l.roles[0].typ != c.m.Resource:
			c.add(n, "remove it", "%s: $omitSelf is for references to the own type, %s", at, c.m.Resource)
		default:
			l.omitSelf = &selfRef{id: c.m.id, typ: c.m.Resource}
		}
	}
	return l
}

// quantity compiles $quantity.
func (c *compiler) quantity(r directives, elem schema.Element, sc *scope, at string) lens {
	switch elem.Type {
	case "Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity", "MoneyQuantity":
	default:
		c.add(r.node, fixAs(elem.Type), "%s is a %s, not a Quantity", at, elem.Type)
		return nil
	}
	field, ok := c.elementPath(r.keys["$quantity"], sc, at)
	if !ok {
		return nil
	}
	c.writes(field.path, r)
	q := &quantity{decimal: decimal{ref: field, at: &origin{r.node.Line, at}}}
	if n := r.keys["$unit"]; n != nil {
		q.unit = c.str(n, "$unit")
		q.json = appendText(append(q.json, `,"unit":`...), []byte(q.unit))
	}
	if n := r.keys["$ucum"]; n != nil {
		q.code = c.codeText(n)
		q.json = appendText(append(q.json, `,"system":"`+ucum+`","code":`...), []byte(q.code))
	}
	if n := r.keys["$accept"]; n != nil {
		if q.code == "" {
			c.add(n, "add $ucum", "%s: $accept converts into the unit of $ucum", at)
		}
		q.accepts = c.accept(n, at)
	}
	if n := r.keys["$unitFrom"]; n != nil {
		if q.json != nil {
			c.add(n, "keep one of them", "%s: $unitFrom does not go with $unit and $ucum", at)
		}
		if unit, ok := c.elementPath(n, sc, "$unitFrom"); ok {
			c.writes(unit.path, r)
			q.unitFrom = &unit
		}
	}
	return q
}

// accept reads the units that are converted when written: each with a factor, or with
// mul and add.
func (c *compiler) accept(n *yaml.Node, at string) []unit {
	var out []unit
	for _, e := range c.entries(n, "$accept") {
		u := unit{code: e.name, mul: big.NewRat(1, 1), add: new(big.Rat)}
		if v := deref(e.value); v.Kind == yaml.MappingNode {
			u.mul, u.add = c.factors(v, at)
		} else {
			u.mul = c.factor(entry{e.key, "mul", v}, at)
		}
		if u.mul != nil && u.add != nil {
			out = append(out, u)
		}
	}
	return out
}
