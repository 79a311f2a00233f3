package chartmap

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
)

// dataAbsent is what stands for a required element that the document does not have
// (http://hl7.org/fhir/R4/extension-data-absent-reason.html).
const dataAbsent = `"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]`

// compiler turns the rules of one branch into lenses.
type compiler struct {
	*loader
	m       *Mapping
	suffix  string
	written map[string]*yaml.Node // field -> the rule that writes it
	inEach  bool
	strict  []cond // onUnknownCode: error
	rule    *Rule  // of the member being compiled
}

// compile makes the branches of a map.
func (l *loader) compile(h *header) {
	m := h.m
	s := l.m.types[m.Resource]
	if s == nil {
		s = &served{typ: m.Resource, ids: l.ids(m.Resource)}
		l.m.types[m.Resource] = s
	}
	fans := h.fanout
	if len(fans) == 0 {
		fans = []fan{{node: h.node}}
	}
	var asked [][]cond
	for _, f := range fans {
		c := &compiler{loader: l, m: m, suffix: f.suffix, written: map[string]*yaml.Node{}}
		b, conds := c.branch(h, f)
		b.number = len(s.branches)
		asked = append(asked, append(conds, exactly{l.earlier(s, b)}))
		m.branches = append(m.branches, b)
		s.branches = append(s.branches, b)
	}
	s.maps = append(s.maps, m)
	l.states(h)
	m.factor(asked)
	l.ready(h)
	l.onCreate(h)
	l.review(h)
	m.fields = addFields(m.needs(), m.Visible)
	if n := h.keys["labels"]; n != nil {
		l.labels(m, l.entries(n, "labels"))
	}
	for _, b := range m.branches {
		for _, f := range []store.Filter{b.base.upper(), b.base.lower()} {
			m.fields = addFields(m.fields, m.lift(f))
		}
	}
}

// states finds the rule that transitions are about.
func (l *loader) states(h *header) {
	m, n := h.m, h.keys["transitions"]
	if n == nil || len(m.branches) == 0 {
		return
	}
	for i := range m.branches[0].body.members {
		if mb := &m.branches[0].body.members[i]; mb.elem.Member == "status" {
			m.state, _ = mb.lens.(*coded)
		}
	}
	if m.state == nil {
		l.add(n, "map status with $from and $codes", "transitions are between the states that a rule for status with a code table reads")
		return
	}
	known := func(state string) {
		if _, ok := m.state.table.text[state]; !ok && state != "" {
			l.add(n, "", "transitions: code table %q has no state %q", m.state.table.name, state)
		}
	}
	for _, by := range m.Transitions {
		for from, to := range by {
			known(from)
			for _, state := range to {
				known(state)
			}
		}
	}
}

// factor sets what the branches ask of documents, and finds what they all do.
func (m *Mapping) factor(asked [][]cond) {
	same := func(c cond) func(cond) bool { return func(o cond) bool { return reflect.DeepEqual(c, o) } }
	everywhere := func(c cond) bool {
		return !slices.ContainsFunc(asked, func(conds []cond) bool { return !slices.ContainsFunc(conds, same(c)) })
	}
	var shared []cond
	for i, b := range m.branches {
		var own []cond
		for _, c := range asked[i] {
			switch {
			case !everywhere(c):
				own = append(own, c)
			case i == 0:
				shared = append(shared, c)
			}
		}
		b.base, b.own = every(asked[i]...), every(own...)
	}
	m.shared = every(shared...)
}

// addFields adds the top-level fields that a filter reads.
func addFields(fields []string, f store.Filter) []string {
	store.EachPath(f, func(path string) {
		name, _, _ := strings.Cut(path, ".")
		if name != "" && !slices.Contains(fields, name) {
			fields = append(fields, name)
		}
	})
	return fields
}

// branch compiles a branch, and gives what it asks of documents.
func (c *compiler) branch(h *header, f fan) (*branch, []cond) {
	elements := slices.Clone(f.elements)
	for _, e := range f.elements {
		if elem, ok := schema.Lookup(string(c.m.Resource), e.name); ok {
			c.m.fanned = append(c.m.fanned, elem.Name)
		}
	}
	for _, e := range h.elements {
		if i := slices.IndexFunc(f.elements, func(o entry) bool { return o.name == e.name }); i >= 0 {
			c.add(f.elements[i].key, "keep it in one place", "%s is mapped in elements and in the fan-out %q", e.name, f.suffix)
			continue
		}
		elements = append(elements, e)
	}
	b := &branch{Mapping: c.m, suffix: f.suffix, has: f.has}
	b.body = c.object(h.node, elements, string(c.m.Resource), c.m.scope, string(c.m.Resource), true)
	parts := []cond{exactly{c.m.id.usable()}}
	if own := c.m.where(); !isAlways(own) {
		parts = append(parts, own)
	}
	if len(f.has) > 0 {
		var any []store.Filter
		for _, path := range f.has {
			r := c.m.scope.field(path)
			any = append(any, r.scalar(store.Not{Filter: store.Eq{Path: path, Value: store.Null()}}))
		}
		parts = append(parts, exactly{disjunction(any)})
	}
	for i := range b.body.members {
		if m := &b.body.members[i]; m.elem.Required && m.elem.Type == "Reference" && !m.elem.Choice {
			present, _ := m.lens.has()
			parts = append(parts, present)
		}
	}
	return b, append(parts, c.strict...)
}

// earlier excludes documents that an earlier branch turns into the same
// resource: the first map in the file wins.
func (l *loader) earlier(s *served, b *branch) store.Filter {
	var out []store.Filter
	for _, o := range s.branches {
		if o.Mapping != b.Mapping && o.suffix == b.suffix && o.Collection == b.Collection && o.spreads() == b.spreads() {
			if o.Where == nil {
				return store.None()
			}
			out = append(out, negation(o.Where))
		}
	}
	return conjunction(out)
}

// object compiles the elements of a type.
func (c *compiler) object(n *yaml.Node, elements []entry, typ string, sc *scope, path string, root bool) *object {
	o := &object{typ: typ, root: root}
	for _, e := range elements {
		if m, ok := c.member(e, typ, sc, path, root); ok {
			o.members = append(o.members, m)
		}
	}
	slices.SortStableFunc(o.members, func(a, b member) int { return cmp.Compare(a.elem.Position, b.elem.Position) })
	o.filling = noFill
	if !root && len(o.members) > 0 && !slices.ContainsFunc(o.members, func(m member) bool { return m.lens.fill() != constant }) {
		o.filling = constant
	}
	c.choices(o)
	c.required(o, n, path)
	return o
}

func (c *compiler) member(e entry, typ string, sc *scope, path string, root bool) (member, bool) {
	at := path + "." + e.name
	elem, ok := schema.Lookup(typ, e.name)
	switch {
	case !ok:
		c.noElement(e, typ)
		return member{}, false
	case root && (e.name == "id" || e.name == "meta" || e.name == "contained" || e.name == "implicitRules"), e.name == "id" && !root:
		c.add(e.key, "remove it", "%s is Portico's own", at)
		return member{}, false
	}
	outer := c.rule
	if root {
		c.rule = &Rule{Path: at, Suffix: c.suffix, Line: e.key.Line}
		c.m.Rules = append(c.m.Rules, c.rule)
	}
	m := member{elem: elem, key: []byte(strconv.Quote(e.name) + ":"), rule: c.rule}
	m.lens = c.value(e.value, elem, sc, at)
	c.rule = outer
	return m, m.lens != nil
}

func (c *compiler) noElement(e entry, typ string) {
	var names []string
	for _, el := range schema.Elements(typ) {
		names = append(names, el.Member)
	}
	fix := ""
	if slices.ContainsFunc(names, func(s string) bool { return strings.HasPrefix(s, e.name) && len(s) > len(e.name) }) {
		fix = "name the type: " + firstWithPrefix(names, e.name)
	} else if near := fhir.Nearest(e.name, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	if names == nil {
		c.add(e.key, "", "a %s has no elements of its own", typ)
		return
	}
	c.add(e.key, fix, "%s has no element %q in R4", typ, e.name)
}

func firstWithPrefix(names []string, prefix string) string {
	var out []string
	for _, s := range names {
		if strings.HasPrefix(s, prefix) && len(s) > len(prefix) && s[len(prefix)] >= 'A' && s[len(prefix)] <= 'Z' {
			out = append(out, s)
		}
	}
	if len(out) > 6 {
		out = append(out[:6], "…")
	}
	return strings.Join(out, ", ")
}

// choices finds, for each variant of a choice, those that go before it.
func (c *compiler) choices(o *object) {
	for i := range o.members {
		for j := range i {
			if o.members[i].elem.Position == o.members[j].elem.Position {
				o.members[i].before = append(o.members[i].before, j)
			}
		}
	}
}

// required prepares what stands for a required element that is not in the
// document, and refuses an object that could never have it.
func (c *compiler) required(o *object, n *yaml.Node, path string) {
	missing := map[int]bool{}
	for _, elem := range schema.Elements(o.typ) {
		if !elem.Required || missing[elem.Position] {
			continue
		}
		i := slices.IndexFunc(o.members, func(m member) bool { return m.elem.Position == elem.Position })
		if i < 0 {
			missing[elem.Position] = true
			if elem.Member != "id" {
				c.add(n, "add a rule for it, or a $const", "%s.%s is required by R4 and has no rule", path, labelOf(elem))
			}
			continue
		}
		first, last := &o.members[i], i
		for last+1 < len(o.members) && o.members[last+1].elem.Position == elem.Position {
			last++
		}
		if m := &o.members[last]; m.missing == nil && m.lens.fill() != constant {
			m.missing = absentMember(first.elem)
		}
	}
}

func labelOf(e schema.Element) string {
	if e.Choice {
		return e.Name + "[x]"
	}
	return e.Name
}

// absentMember writes the member with the reason that it is absent in the place
// of its value, and so for what it requires itself.
func absentMember(e schema.Element) []byte {
	members := schema.Elements(e.Type)
	if members == nil {
		if e.Many {
			return []byte(`"_` + e.Member + `":[{` + dataAbsent + `}]`)
		}
		return []byte(`"_` + e.Member + `":{` + dataAbsent + `}`)
	}
	body := "{" + dataAbsent
	seen := map[int]bool{}
	for _, m := range members {
		if m.Required && !seen[m.Position] {
			seen[m.Position] = true
			body += "," + string(absentMember(m))
		}
	}
	body += "}"
	if e.Many {
		body = "[" + body + "]"
	}
	return []byte(strconv.Quote(e.Member) + ":" + body)
}

// value compiles the rule of an element: its list rules where it repeats.
func (c *compiler) value(n *yaml.Node, elem schema.Element, sc *scope, at string) lens {
	n = deref(n)
	r, ok := c.directives(n, at)
	if !ok {
		return nil
	}
	if elem.Many && r.kind == "$const" {
		return c.constants(r, elem, at)
	}
	if !elem.Many {
		switch r.kind {
		case "$list", "$list1", "$each", "$slots":
			c.add(n, "write one rule", "%s holds one value, not a list", at)
			return nil
		}
		return c.single(r, elem, sc, at)
	}
	switch r.kind {
	case "$list", "$slots":
		return c.list(r, elem, sc, at)
	case "$list1":
		item := c.item(r.keys[r.kind], elem, sc, at)
		if item == nil {
			return nil
		}
		return &list{items: []lens{item}}
	case "$each":
		return c.repeated(r, elem, sc, at)
	}
	c.add(n, "put it behind $list1, or use $list, $each or $slots", "%s is a list", at)
	return nil
}

// item compiles one entry of a list.
func (c *compiler) item(n *yaml.Node, elem schema.Element, sc *scope, at string) lens {
	n = deref(n)
	r, ok := c.directives(n, at)
	if !ok {
		return nil
	}
	elem.Many = false
	switch r.kind {
	case "$each":
		return c.repeated(r, elem, sc, at)
	case "$list", "$list1", "$slots":
		c.add(n, "", "%s: a list cannot stand in a list", at)
		return nil
	}
	return c.single(r, elem, sc, at)
}

func (c *compiler) list(r directives, elem schema.Element, sc *scope, at string) lens {
	l := &list{slots: r.kind == "$slots"}
	nodes := c.items(r.keys[r.kind], r.kind)
	if len(nodes) == 0 {
		c.add(r.node, "", "%s: %s is empty", at, r.kind)
		return nil
	}
	for i, n := range nodes {
		if r.kind == "$slots" && deref(n).Kind != yaml.MappingNode {
			c.add(n, "write a mapping of elements, or use $list for plain fields", "%s: slot %d is not an object", at, i+1)
			continue
		}
		item := c.item(n, elem, sc, at)
		if item == nil {
			continue
		}
		if r.kind == "$slots" {
			for j, other := range l.items {
				if !distinct(item, other) {
					c.add(n, "give them a different $const, choice or reference type", "%s: slots %d and %d cannot be told apart when written", at, j+1, i+1)
				}
			}
		}
		l.items = append(l.items, item)
	}
	if len(l.items) == 0 {
		return nil
	}
	return c.maybeDerived(r, l)
}

func (c *compiler) repeated(r directives, elem schema.Element, sc *scope, at string) lens {
	path := c.path(r.keys["$each"], "$each")
	if r.keys["$item"] == nil {
		c.add(r.node, "add $item: the rule for one element", "%s: $each without $item", at)
		return nil
	}
	inner := newScope(true)
	field := sc.field(path)
	c.writes(path, r)
	outer := c.inEach
	c.inEach = true
	written := c.written
	c.written = map[string]*yaml.Node{}
	item := c.item(r.keys["$item"], elem, inner, at)
	c.written, c.inEach = written, outer
	if item == nil || path == "" {
		return nil
	}
	if g := c.m.group; g != nil && !outer && path == g.rows {
		g.members = append(g.members, inner.names...)
	}
	if s := c.m.each; s != nil && !outer && path == s.array {
		c.add(r.keys["$each"], "write rules for one element of it", "%s: with each, %q is one element, not an array", at, path)
		return nil
	}
	if _, nested := item.(*repeated); nested {
		c.add(r.node, "", "%s: $each cannot be the $item of $each", at)
		return nil
	}
	return c.maybeDerived(r, &repeated{ref: field, inner: inner, item: item, at: &origin{r.node.Line, at}})
}

func (c *compiler) maybeDerived(r directives, l lens) lens {
	if r.derived {
		return derived{l}
	}
	return l
}
