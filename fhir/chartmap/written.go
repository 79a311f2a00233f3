package chartmap

import (
	"slices"
	"strings"
)

// writes notes the field that a rule writes; two rules for one field would
// overwrite each other.
func (c *compiler) writes(path string, r directives) {
	if path == "" || r.derived {
		return
	}
	if c.rule != nil && !c.inEach {
		c.rule.Fields = append(c.rule.Fields, path)
	}
	if c.m.Writable && !c.inEach && slices.Contains(c.m.kept(), path) {
		c.add(r.node, "mark the rule with $write: derived", "the field %q is the key, the version or the time of the document, and no rule writes it", path)
		return
	}
	if c.m.each != nil && c.m.Writable && !c.inEach {
		if _, inside := c.m.each.within(path); !inside {
			c.add(r.node, "mark the rule with $write: derived", "the field %q is the document's, not the element's, and cannot be written through an element of %q", path, c.m.each.array)
			return
		}
	}
	if other := c.written[path]; other != nil && c.m.Writable && other != r.node {
		c.add(r.node, "mark the one that only follows with $write: derived, or the map with writable: false",
			"the field %q is written by two rules (the other is in line %d)", path, other.Line)
		return
	}
	for other, at := range c.written {
		if c.m.Writable && (strings.HasPrefix(other, path+".") || strings.HasPrefix(path, other+".")) {
			c.add(r.node, "map the fields within, or the whole", "the field %q is within, or around, %q, which the rule in line %d writes", path, other, at.Line)
			return
		}
	}
	c.written[path] = r.node
}

// kept are the fields that Portico itself writes, or never does.
func (m *Mapping) kept() []string {
	out := []string{"_id", m.id.path}
	if m.version.path != "" {
		out = append(out, m.version.path)
	}
	if m.updated != nil {
		out = append(out, m.updated.path)
	}
	if m.each != nil {
		out = append(out, m.each.key)
	}
	return out
}
