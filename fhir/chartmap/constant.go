package chartmap

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
)

// constants compiles the $const of an element that repeats.
func (c *compiler) constants(r directives, elem schema.Element, at string) lens {
	l := &list{}
	for _, n := range c.items(r.keys["$const"], at+": $const of a list") {
		one := elem
		one.Many = false
		if item := c.constant(n, one, at); item != nil {
			l.items = append(l.items, item)
		}
	}
	if len(l.items) == 0 {
		return nil
	}
	return l
}

// constant compiles JSON that is always the same into lenses for its parts, so
// that search can look into it.
func (c *compiler) constant(n *yaml.Node, elem schema.Element, at string) lens {
	n = deref(n)
	if schema.Elements(elem.Type) == nil {
		return c.primitive(n, elem, at)
	}
	if n.Kind != yaml.MappingNode {
		c.add(n, "", "%s is a %s: its $const must be a mapping", at, elem.Type)
		return nil
	}
	o := &object{typ: elem.Type, filling: constant}
	for _, e := range c.entries(n, at) {
		inner, ok := schema.Lookup(elem.Type, e.name)
		if !ok {
			c.noElement(e, elem.Type)
			continue
		}
		path := at + "." + e.name
		m := member{elem: inner, key: []byte(strconv.Quote(e.name) + ":")}
		if inner.Many {
			m.lens = c.constants(directives{node: e.value, keys: map[string]*yaml.Node{"$const": e.value}}, inner, path)
		} else {
			m.lens = c.constant(e.value, inner, path)
		}
		if m.lens != nil {
			o.members = append(o.members, m)
		}
	}
	if len(o.members) == 0 {
		c.add(n, "", "%s: the $const is empty", at)
		return nil
	}
	slices.SortStableFunc(o.members, func(a, b member) int { return a.elem.Position - b.elem.Position })
	c.choices(o)
	for _, m := range o.members {
		if len(m.before) > 0 {
			c.add(n, "keep one", "%s has two values for %s", at, labelOf(m.elem))
		}
	}
	c.required(o, n, at)
	return o
}

func (c *compiler) primitive(n *yaml.Node, elem schema.Element, at string) lens {
	if n.Kind != yaml.ScalarNode {
		c.add(n, "", "%s is a %s: its $const must be one value", at, elem.Type)
		return nil
	}
	l := &literal{typ: elem.Type, value: n.Value, vs: elem.ValueSet}
	v := c.scalar(n)
	bad := func(want string) lens {
		c.add(n, "", "%s: the $const must be %s", at, want)
		return nil
	}
	switch elem.Type {
	case "boolean":
		b, ok := v.(bool)
		if !ok {
			return bad("true or false")
		}
		l.json = strconv.AppendBool(nil, b)
	case "integer", "positiveInt", "unsignedInt":
		low, high, _ := intRange(elem.Type)
		i, ok := v.(int64)
		if !ok || i < low || i > high {
			return bad("a whole number in the range of " + elem.Type)
		}
		l.json = strconv.AppendInt(nil, i, 10)
	case "decimal":
		switch x := v.(type) {
		case int64:
			l.json = strconv.AppendInt(nil, x, 10)
		case number:
			if strings.HasPrefix(string(x), ".") || strings.HasPrefix(string(x), "+") || strings.HasPrefix(string(x), "-.") || strings.Contains(string(x), ".e") || strings.HasSuffix(string(x), ".") {
				return bad("a number with digits around its point")
			}
			l.json = []byte(x)
		default:
			return bad("a number")
		}
	default:
		s, ok := v.(string)
		if !ok && n.Value != "" && !isNull(n) {
			c.add(n, "put it in quotes: "+strconv.Quote(n.Value), "%s: the $const must be a string", at)
			return nil
		}
		if s == "" || unprintable(s) || !searchable(s) {
			return bad("readable text")
		}
		switch elem.Type {
		case "code", "uri", "url", "canonical", "id", "oid", "uuid":
			if !isOneWord(s) {
				return bad("one word")
			}
		case "date", "dateTime", "instant":
			m := moment{day: elem.Type == "date", exact: elem.Type == "instant"}
			if d, ok := m.parse(s); !ok || d.Precision >= fhir.PrecisionSecond && !d.HasZone {
				return bad("a " + elem.Type)
			}
		}
		if elem.Codes != nil && !slices.Contains(elem.Codes, s) {
			fix := "allowed: " + strings.Join(elem.Codes, ", ")
			if near := fhir.Nearest(s, elem.Codes); near != "" {
				fix = "did you mean " + near + "?"
			}
			c.add(n, fix, "%s does not allow the code %q", at, s)
			return nil
		}
		l.json = appendText(nil, []byte(s))
	}
	return l
}
