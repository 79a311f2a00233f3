package chartmap

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir/schema"
)

// vocabulary lists the directives by the one that leads a rule: what may stand
// beside it. A rule without directives is an object of elements.
func vocabulary() map[string][]string {
	access := []string{"$write", "$writableBy", "$once"}
	with := func(own ...string) []string { return append(own, access...) }
	return map[string][]string{
		"$const":    nil,
		"$from":     with("$as", "$absent", "$codes", "$text", "$stored", "$zone"),
		"$ref":      with("$from", "$omitSelf"),
		"$refBy":    with("$types", "$from", "$omitSelf"),
		"$quantity": with("$unit", "$ucum", "$unitFrom", "$accept"),
		"$list":     with(),
		"$list1":    with(),
		"$each":     with("$item"),
		"$slots":    with(),
	}
}

// leads are the leading directives, the one that decides first.
func leads() []string {
	return []string{"$const", "$ref", "$refBy", "$quantity", "$list", "$list1", "$each", "$slots", "$from"}
}

// conversions are the words of $as.
func conversions() []string {
	return []string{"int", "decimal", "boolean", "objectId", "date", "dateTime", "instant", "not", "binaryUrl", "plusMinutes", "linear", "concept", "coding"}
}

// directives is a rule as it is written.
type directives struct {
	node    *yaml.Node
	kind    string // the leading directive; "" for an object
	keys    map[string]*yaml.Node
	all     []entry
	derived bool
}

// directives reads a rule. A bare word is a path.
func (c *compiler) directives(n *yaml.Node, at string) (directives, bool) {
	r := directives{node: n, keys: map[string]*yaml.Node{}}
	switch n.Kind {
	case yaml.ScalarNode:
		if s, ok := c.scalar(n).(string); !ok || s == "" {
			c.add(n, "write a path, or $const for a constant", "%s: %q is no rule", at, n.Value)
			return r, false
		}
		r.kind, r.keys["$from"] = "$from", n
		return r, true
	case yaml.SequenceNode:
		c.add(n, "write $list, $slots or $const before it", "%s: a bare list is no rule", at)
		return r, false
	}
	r.all = c.entries(n, at)
	var plain *yaml.Node
	for _, e := range r.all {
		if strings.HasPrefix(e.name, "$") {
			r.keys[e.name] = e.value
		} else if plain == nil {
			plain = e.key
		}
	}
	if len(r.keys) == 0 {
		if len(r.all) == 0 {
			c.add(n, "", "%s: the rule is empty", at)
		}
		return r, len(r.all) > 0
	}
	if plain != nil {
		c.add(plain, "write directives ($…) or elements, not both", "%s: %q stands among directives", at, plain.Value)
		return r, false
	}
	for _, lead := range leads() {
		if r.keys[lead] != nil {
			r.kind = lead
			break
		}
	}
	return r, c.checkDirectives(&r, at)
}

// checkDirectives holds the directives against the vocabulary and reads those
// about writing.
func (c *compiler) checkDirectives(r *directives, at string) bool {
	words := vocabulary()
	known := leads()
	for _, with := range words {
		known = append(known, with...)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	ok := true
	for _, e := range r.all {
		switch {
		case !slices.Contains(known, e.name):
			c.unknown(e.key, at, known)
			ok = false
		case r.kind == "":
			c.add(e.key, "begin with one of "+strings.Join(leads(), ", "), "%s: %s alone is no rule", at, e.name)
			ok = false
		case e.name != r.kind && !slices.Contains(words[r.kind], e.name):
			c.add(e.key, "remove it", "%s: %s does not go with %s", at, e.name, r.kind)
			ok = false
		}
		switch e.name {
		case "$write":
			r.derived = c.oneOf(e.value, "$write", "derived") != ""
			if c.rule != nil {
				c.rule.Derived = r.derived
			}
		case "$writableBy":
			c.writableBy(e)
		case "$once":
			if once := c.boolean(e.value, "$once"); c.rule != nil {
				c.rule.Once = once
			}
		}
	}
	return ok
}

func (c *compiler) writableBy(e entry) {
	nodes := []*yaml.Node{e.value}
	if deref(e.value).Kind == yaml.SequenceNode {
		nodes = deref(e.value).Content
	}
	for _, n := range nodes {
		who := c.oneOf(n, "$writableBy", actors()...)
		if c.rule != nil && who != "" {
			c.rule.WritableBy = append(c.rule.WritableBy, who)
		}
	}
}

// single compiles a rule for one value.
func (c *compiler) single(r directives, elem schema.Element, sc *scope, at string) lens {
	var l lens
	switch r.kind {
	case "":
		if schema.Elements(elem.Type) == nil {
			c.add(r.node, "write a path or a directive", "%s is a %s and has no elements", at, elem.Type)
			return nil
		}
		return c.object(r.node, r.all, elem.Type, sc, at, false)
	case "$const":
		return c.constant(r.keys["$const"], elem, at)
	case "$ref", "$refBy":
		l = c.reference(r, elem, sc, at)
	case "$quantity":
		l = c.quantity(r, elem, sc, at)
	default:
		l = c.from(r, elem, sc, at)
	}
	if l == nil {
		return nil
	}
	return c.maybeDerived(r, l)
}

// elementPath reads a path, or "." for an array element itself.
func (c *compiler) elementPath(n *yaml.Node, sc *scope, what string) (ref, bool) {
	if n == nil {
		return ref{}, false
	}
	if deref(n).Kind == yaml.ScalarNode && deref(n).Value == self {
		if !sc.elem {
			c.add(n, "name a field", `%s: "." is the element of a $each, and this is not in one`, what)
			return ref{}, false
		}
		return sc.field(self), true
	}
	if s, ok := c.scalar(n).(string); !ok || s == "" {
		c.add(n, "", "%s must be a path in the document", what)
		return ref{}, false
	}
	p := c.path(n, what)
	return sc.field(p), p != ""
}

// from compiles $from with its conversion.
func (c *compiler) from(r directives, elem schema.Element, sc *scope, at string) lens {
	as, args := c.conversion(r, at)
	if as == "plusMinutes" {
		return c.ending(r, elem, sc, at)
	}
	field, ok := c.elementPath(r.keys["$from"], sc, at)
	if !ok {
		return nil
	}
	c.writes(field.path, r)
	o := &origin{r.node.Line, at}
	if r.keys["$codes"] != nil || as == "concept" || as == "coding" {
		return c.coded(r, as, elem, field, sc, o)
	}
	for _, key := range []string{"$text"} {
		if r.keys[key] != nil {
			c.add(r.keys[key], "add $codes, or map text on its own", "%s: %s without $codes", at, key)
		}
	}
	if as != "date" && as != "dateTime" && as != "instant" {
		for _, key := range []string{"$stored", "$zone"} {
			if r.keys[key] != nil {
				c.add(r.keys[key], "remove it", "%s: %s is about dates", at, key)
			}
		}
	}
	switch as {
	case "":
		return c.plain(r, elem, field, o)
	case "decimal", "boolean":
		if elem.Type == as {
			return c.plain(r, elem, field, o)
		}
	case "objectId":
		switch elem.Type {
		case "string", "code", "id", "uri":
			if elem.Codes == nil {
				c.noDefault(r, at)
				return &hexID{ref: field, typ: elem.Type, at: o}
			}
		}
	case "not":
		if elem.Type == "boolean" {
			return c.flag(r, field, true, o)
		}
	case "int":
		if low, high, ok := intRange(elem.Type); ok {
			c.noDefault(r, at)
			return &integer{ref: field, low: low, high: high, at: o}
		}
	case "linear":
		if elem.Type == "decimal" {
			c.noDefault(r, at)
			return c.linear(args, field, o)
		}
	case "binaryUrl":
		if elem.Type == "url" || elem.Type == "uri" {
			c.noDefault(r, at)
			return &link{ref: field, ids: c.ids("Binary"), at: o}
		}
	case "date", "dateTime", "instant":
		if dateFits(as, elem.Type) {
			c.noDefault(r, at)
			return c.date(r, as, elem, field, o)
		}
	default:
		return nil
	}
	c.add(r.keys["$as"], fixAs(elem.Type), "%s is a %s; $as: %s does not give one", at, elem.Type, as)
	return nil
}

func (c *compiler) noDefault(r directives, at string) {
	if n := r.keys["$absent"]; n != nil {
		c.add(n, "remove it", "%s: $absent is for text, codes without a table, and booleans", at)
	}
}

func intRange(typ string) (low, high int64, ok bool) {
	switch typ {
	case "integer":
		return math.MinInt32, math.MaxInt32, true
	case "unsignedInt":
		return 0, math.MaxInt32, true
	case "positiveInt":
		return 1, math.MaxInt32, true
	}
	return 0, 0, false
}

func dateFits(as, typ string) bool {
	switch as {
	case "date":
		return typ == "date" || typ == "dateTime"
	case "dateTime":
		return typ == "dateTime"
	}
	return typ == "instant" || typ == "dateTime"
}

func fixAs(typ string) string {
	switch typ {
	case "date", "dateTime", "instant":
		return "write $as: " + typ
	case "integer", "unsignedInt", "positiveInt":
		return "write $as: int"
	case "Reference":
		return "write $ref: Type, $from: path"
	case "Quantity":
		return "write $quantity: path"
	case "CodeableConcept":
		return "write $codes: table, $as: concept, or { text: path }"
	}
	return ""
}

// conversion reads $as: a word, or a mapping of a word to its arguments.
func (c *compiler) conversion(r directives, at string) (string, *yaml.Node) {
	n := r.keys["$as"]
	if n == nil {
		return "", nil
	}
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		as := c.oneOf(n, at+": $as", conversions()...)
		if as == "linear" {
			c.add(n, "write { linear: { mul: 2.5, add: 0 } }", "%s: linear needs its numbers", at)
			return "?", nil
		}
		if as == "" {
			return "?", nil
		}
		return as, nil
	}
	es := c.entries(n, "$as")
	if len(es) != 1 || es[0].name != "linear" {
		c.add(n, "write { linear: { mul: 2.5, add: 0 } }", "%s: only linear takes arguments", at)
		return "?", nil
	}
	return "linear", es[0].value
}

// plain compiles a field that is copied.
func (c *compiler) plain(r directives, elem schema.Element, field ref, o *origin) lens {
	switch elem.Type {
	case "string", "markdown", "code", "uri", "url", "canonical":
		t := &text{defaulted: defaulted[string]{ref: field}, typ: elem.Type, strict: elem.Type != "string" && elem.Type != "markdown", codes: elem.Codes, vs: elem.ValueSet, at: o}
		if n := r.keys["$absent"]; n != nil {
			s := c.str(n, "$absent")
			if t.strict && !isOneWord(s) || t.codes != nil && !slices.Contains(t.codes, s) {
				c.add(n, "", "%s: %q is not allowed here", o.path, s)
			}
			t.absent = &s
		}
		return t
	case "boolean":
		return c.flag(r, field, false, o)
	case "decimal":
		c.noDefault(r, o.path)
		return &decimal{ref: field, at: o}
	}
	c.add(r.node, fixAs(elem.Type), "%s is a %s and cannot be copied from a field", o.path, elem.Type)
	return nil
}

func (c *compiler) flag(r directives, field ref, inverted bool, o *origin) lens {
	b := &boolean{defaulted: defaulted[bool]{ref: field}, not: inverted, at: o}
	if n := r.keys["$absent"]; n != nil {
		b.absent = ptr(c.boolean(n, "$absent"))
	}
	return b
}

func (c *compiler) linear(args *yaml.Node, field ref, o *origin) lens {
	mul, add := c.factors(args, o.path)
	if mul == nil || add == nil {
		return nil
	}
	return &decimal{ref: field, mul: mul, add: add, at: o}
}

// factors reads { mul: …, add: … }; nil where one is wrong.
func (c *compiler) factors(n *yaml.Node, at string) (mul, add *big.Rat) {
	mul, add = big.NewRat(1, 1), new(big.Rat)
	for _, e := range c.entries(n, "linear") {
		switch e.name {
		case "mul":
			mul = c.factor(e, at)
		case "add":
			add = c.factor(e, at)
		default:
			c.unknown(e.key, "linear", []string{"mul", "add"})
		}
	}
	return mul, add
}

// factor reads a number; nil where it is none.
func (c *compiler) factor(e entry, at string) *big.Rat {
	x, ok := new(big.Rat), false
	if n := deref(e.value); n.Kind == yaml.ScalarNode && len(n.Value) < 40 && (intScalar.MatchString(n.Value) || floatScalar.MatchString(n.Value)) {
		f, err := strconv.ParseFloat(n.Value, 64)
		if ok = err == nil && math.Abs(f) < 1e18; ok {
			_, ok = x.SetString(n.Value)
		}
	}
	switch {
	case !ok:
		c.add(e.value, "", "%s: %s must be a number", at, e.name)
	case e.name == "mul" && x.Sign() == 0:
		c.add(e.value, "give another factor", "%s: mul 0 cannot be inverted when written", at)
	default:
		return x
	}
	return nil
}

// moment reads $stored and $zone.
func (c *compiler) date(r directives, as string, elem schema.Element, field ref, o *origin) lens {
	m := moment{ref: field, day: as == "date", text: as == "date", exact: elem.Type == "instant", zone: c.loader.m.Location, loc: c.loader.m.Location}
	if n := r.keys["$stored"]; n != nil {
		m.text = c.oneOf(n, "$stored", "text", "date") == "text"
	}
	if n := r.keys["$zone"]; n != nil {
		if loc := c.zone(n, "$zone"); loc != nil {
			m.zone = loc
		}
	}
	if field.top < 0 && m.text {
		c.add(r.node, "store the dates in documents, or as dates", "%s: a list of date texts is not supported", o.path)
		return nil
	}
	return &date{moment: m, at: o}
}

func (c *compiler) ending(r directives, elem schema.Element, sc *scope, at string) lens {
	n := deref(r.keys["$from"])
	if n.Kind != yaml.SequenceNode || len(n.Content) != 2 {
		c.add(n, "write $from: [start, minutes]", "%s: plusMinutes takes two fields", at)
		return nil
	}
	if elem.Type != "instant" && elem.Type != "dateTime" {
		c.add(r.keys["$as"], fixAs(elem.Type), "%s is a %s; $as: plusMinutes does not give one", at, elem.Type)
		return nil
	}
	c.noDefault(r, at)
	start, ok1 := c.elementPath(n.Content[0], sc, at)
	minutes, ok2 := c.elementPath(n.Content[1], sc, at)
	if !ok1 || !ok2 {
		return nil
	}
	c.writes(minutes.path, r) // the start is written by its own rule
	loc := c.loader.m.Location
	return &ending{start: moment{ref: start, zone: loc, loc: loc}, minutes: minutes, at: &origin{r.node.Line, at}}
}
