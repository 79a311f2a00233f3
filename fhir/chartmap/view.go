package chartmap

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// A map with each or groupBy has a view: its rules do not read the documents of the EHR, but
// others that are made of them. Conditions on those are lifted before a store sees them, and what the
// store then finds is held against the conditions as they were.

// viewed reports whether the rules read something else than the EHR's documents.
func (m *Mapping) viewed() bool { return m.each != nil || m.group != nil }

// spreads gives the suffix of the array whose elements are resources; empty without one.
func (m *Mapping) spreads() string {
	if m.each == nil {
		return ""
	}
	return m.each.suffix
}

// lift turns a condition on what the rules read into one that the documents satisfy of
// which it is made: of a group, one of them.
func (m *Mapping) lift(f store.Filter) store.Filter {
	switch {
	case m.each != nil:
		return m.each.lift(f)
	case m.group != nil:
		return conjunction([]store.Filter{orAll(m.Where), m.group.lift(f), m.id.usable()})
	}
	return f
}

func orAll(f store.Filter) store.Filter {
	if f == nil {
		return store.All()
	}
	return f
}

// Documents holds for the EHR's documents that the map may make something of; nil for all.
func (m *Mapping) Documents() store.Filter {
	if m.Where == nil || m.group != nil {
		return m.Where
	}
	return m.lift(m.Where)
}

// Array gives the path of the array whose elements are resources; empty where there is none.
func (m *Mapping) Array() string {
	if m.each == nil {
		return ""
	}
	return m.each.array
}

// Stamp gives the field in which documents have the time of their last change; empty where
// the map names none, or one of the elements of an array.
func (m *Mapping) Stamp() string {
	if m.updated == nil || m.each != nil && m.moves(m.updated.path) {
		return ""
	}
	return m.updated.path
}

// needs lists the fields of the EHR's documents that are read.
func (m *Mapping) needs() []string {
	var out []string
	add := func(path string) {
		if name, _, _ := strings.Cut(path, "."); name != "" && name[0] != '$' && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, name := range m.scope.names {
		if m.group == nil || name != m.group.rows {
			add(name)
		}
	}
	if g := m.group; g != nil {
		for _, path := range slices.Concat(g.members, g.same, []string{g.order, g.version}) {
			add(path)
		}
	}
	return out
}

// moves reports whether a path leads to what documents cannot be sorted by.
func (m *Mapping) moves(path string) bool {
	if m.each == nil {
		return m.group != nil
	}
	_, inside := m.each.within(path)
	return inside
}

// where is what the map's own condition says of what the rules read.
func (m *Mapping) where() cond {
	if m.Where == nil || m.group != nil { // members that do not satisfy it are not read
		return always
	}
	return exactly{m.Where}
}

// visible holds where those for whom release rules are see the resource: of a group, where
// they see every member.
func (m *Mapping) visible() cond {
	switch {
	case m.Visible == nil:
		return always
	case m.group != nil:
		return exactly{store.Not{Filter: store.Elem{Path: m.group.rows, Where: store.Not{Filter: m.Visible}}}}
	}
	return exactly{m.Visible}
}

// items gives what the rules read of a document of the EHR, in the order of the keys of
// its elements. Fault is told of elements that cannot be resources.
func (m *Mapping) items(doc store.Doc, ids ids, fault func()) []unwound {
	if m.each == nil {
		return []unwound{{doc: doc}}
	}
	what := ident{key: store.Lookup(doc, m.id.path), array: m.each.suffix}
	for _, b := range m.branches {
		if len(b.suffix) > len(what.suffix) {
			what.suffix = b.suffix
		}
	}
	return m.each.elements(doc, func(at store.Value) bool {
		what.elem = at
		var room [maxID]byte
		_, ok := ids.appendIdent(room[:0], what)
		return ok
	}, fault)
}

// eachKeys and groupKeys are the words of each and groupBy.
var (
	eachKeys  = []string{"array", "key", "suffix"}
	groupKeys = []string{"key", "rows", "order", "min", "max"}
)

// eachOf reads each.
func (l *loader) eachOf(n *yaml.Node) *spread {
	s := &spread{}
	for _, e := range l.entries(n, "each") {
		switch e.name {
		case "array":
			s.array = l.path(e.value, "array")
		case "key":
			s.key = l.path(e.value, "key")
		case "suffix":
			s.suffix = l.suffix(e.value)
		default:
			l.unknown(e.key, "each", eachKeys)
		}
	}
	if s.array == "" || s.suffix == "" {
		l.add(n, "write { array: problems, key: problems.nr, suffix: dx }", "each needs the array, and a suffix for the ids")
		return nil
	}
	if _, inside := s.within(s.key); s.key != "" && !inside {
		l.add(n, "write "+s.array+"."+s.key, "each: the key %q is not within %q, as the rules see it", s.key, s.array)
	}
	return s
}

// groupOf reads groupBy.
func (l *loader) groupOf(n *yaml.Node) *grouping {
	g := &grouping{}
	paths := func(list *yaml.Node, what string) (out []string) {
		for _, item := range l.items(list, what) {
			if p := l.path(item, what); p != "" {
				out = append(out, p)
			}
		}
		return out
	}
	for _, e := range l.entries(n, "groupBy") {
		switch e.name {
		case "key":
			g.key = l.path(e.value, "key")
		case "rows":
			g.rows = l.path(e.value, "rows")
			if strings.Contains(g.rows, ".") {
				l.add(e.value, "write one word", "rows: %q must be a name without a point", g.rows)
			}
		case "order":
			g.order = l.path(e.value, "order")
		case "min":
			g.min = paths(e.value, "min")
		case "max":
			g.max = paths(e.value, "max")
		default:
			l.unknown(e.key, "groupBy", groupKeys)
		}
	}
	switch {
	case g.key == "" || g.rows == "":
		l.add(n, "write { key: order_no, rows: results }", "groupBy needs the key that the documents have in common, and a name for their list")
		return nil
	case g.key == "_id":
		l.add(n, "name the field with the number of the order, the panel or the visit", "groupBy: no two documents have the same _id")
	}
	for _, p := range g.min {
		if slices.Contains(g.max, p) {
			l.add(n, "keep it in one of them", "groupBy: %q is in min and in max", p)
		}
	}
	return g
}

// view holds the keys of a map with each or groupBy against each other.
func (l *loader) view(h *header, what string) {
	m := h.m
	refuse := func(fix string, keys ...string) {
		for _, key := range keys {
			if n := h.keys[key]; n != nil {
				l.add(n, fix, "%s: %s does not go with %s", what, key, viewName(m))
			}
		}
	}
	switch {
	case m.each != nil && m.group != nil:
		refuse("make it two maps", "groupBy")
	case m.each != nil:
		refuse("remove it", "history", "onCreate", "newId")
		if _, inside := m.each.within(m.id.path); inside {
			l.add(h.keys["id"], "name the key of the document; the key of the element is each.key", "%s: id is within the array", what)
		}
		if m.each.key == "" {
			l.warn(h.keys["each"], "name the field that tells them apart: key: "+m.each.array+".id",
				"%s: without a key, the id of an element is its position, and another's as soon as one before it comes or goes", what)
		}
	case m.group != nil:
		refuse("remove it", "id", "history", "onCreate", "newId", "transitions", "review", "concurrency", "unmapped")
		if len(m.Compartment) == 0 {
			l.warn(h.keys["groupBy"], "add compartment: { Patient: … }", "%s: without compartment, documents of two patients that have the key in common make one resource", what)
		}
	}
	l.viewWritable(h, what)
}

func viewName(m *Mapping) string {
	if m.each != nil {
		return "each"
	}
	return "groupBy"
}

// viewWritable decides what can be written: elements with a key of their own can be
// updated, and groups not at all.
func (l *loader) viewWritable(h *header, what string) {
	m, n := h.m, h.keys["writable"]
	if n == nil {
		m.Allows = Allows{Update: m.each != nil && m.each.key != ""}
		m.Writable = m.Allows.Update
		return
	}
	switch {
	case m.Allows == Allows{}:
	case m.group != nil:
		l.add(n, "write writable: false, or remove it", "%s: what several documents have in common cannot be written through groupBy", what)
	case m.Allows.Create || m.Allows.Delete:
		l.add(n, "write writable: [update]", "%s: elements of an array can be updated, but not created or deleted", what)
	case m.each.key == "":
		l.add(n, "add each.key, or write writable: false", "%s: an element without a key cannot be told from another when it is written", what)
	}
}

// ready completes the view when the rules are known.
func (l *loader) ready(h *header) {
	m := h.m
	if s := m.each; s != nil {
		read := false
		for _, path := range m.scope.paths {
			within, inside := s.within(path)
			read = read || inside
			s.fields = s.fields || within != "" && inside
		}
		if !read {
			l.add(h.keys["each"], "map a field of "+s.array+", or remove each", "no rule reads anything of the elements of %q", s.array)
		}
		if s.fields && slices.Contains(m.scope.paths, s.array) {
			l.add(h.keys["each"], "write "+s.array+".… everywhere", "the elements of %q are read as documents, and as values", s.array)
		}
	}
	if g := m.group; g != nil {
		for _, path := range append(slices.Clone(m.scope.paths), slices.Concat(g.min, g.max, g.same)...) {
			if path != g.rows && path[0] != '$' && !slices.Contains(g.paths, path) {
				g.paths = append(g.paths, path)
			}
		}
		slices.Sort(g.paths)
	}
}

// owners are the compartments' fields, without which, or with several, a group belongs to nobody.
func (m *Mapping) owners() []string {
	var out []string
	for _, t := range fhir.Types() {
		if path := m.Compartment[t]; path != "" {
			out = append(out, path)
		}
	}
	return out
}
