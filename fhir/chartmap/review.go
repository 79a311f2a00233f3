package chartmap

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/schema"
)

// Review says which changes somebody at the clinic looks at before the EHR gets them.
type Review struct {
	Of       []string // whose, by role
	Elements []string // of what, at the top of the resource; none for all
}

// review reads which changes are looked at first.
func (l *loader) review(h *header) {
	n, m := h.keys["review"], h.m
	if n == nil {
		return
	}
	r := &Review{Of: []string{"patient", "proxy"}}
	elements := func(list *yaml.Node) {
		for _, item := range l.items(list, "review") {
			name := l.str(item, "review")
			if _, ok := schema.Lookup(string(m.Resource), name); !ok && name != "" {
				var names []string
				for _, e := range schema.Elements(string(m.Resource)) {
					names = append(names, e.Member)
				}
				fix := "write elements of " + string(m.Resource)
				if near := fhir.Nearest(name, names); near != "" {
					fix = "did you mean " + near + "?"
				}
				l.add(item, fix, "review: %s has no element %q", m.Resource, name)
			}
			r.Elements = append(r.Elements, name)
		}
	}
	if deref(n).Kind == yaml.SequenceNode {
		elements(n)
	} else {
		for _, e := range l.entries(n, "review") {
			switch e.name {
			case "of":
				r.Of = nil
				for _, item := range l.items(e.value, "of") {
					r.Of = append(r.Of, l.oneOf(item, "of", "patient", "proxy", "clinician", "staff", "system"))
				}
			case "elements":
				elements(e.value)
			default:
				l.unknown(e.key, "review", []string{"of", "elements"})
			}
		}
	}
	m.Review = r
}

// reviewable refuses reviews where Tasks are the EHR's.
func (l *loader) reviewable(headers []*header) {
	if l.m.types["Task"] == nil {
		return
	}
	for _, h := range headers {
		if n := h.keys["review"]; n != nil {
			l.add(n, "remove review, or the maps of Task", "what waits for review is kept in Tasks of Portico's own, and this chart map makes Tasks of the EHR's")
		}
	}
}

// pend refuses a change that somebody has to look at first. Everything else about it is all right.
func (p *planner) pend(c fhir.Change, b *branch, current fhir.Resource, elements []string) error {
	r := b.Review
	if r == nil || p.actor == nil || p.approved || !slices.Contains(r.Of, p.actor.Role) {
		return nil
	}
	concerned := elements
	if len(r.Elements) > 0 {
		concerned = slices.DeleteFunc(slices.Clone(elements), func(name string) bool { return !slices.Contains(r.Elements, name) })
		if len(concerned) == 0 && c.Method != fhir.Delete {
			return nil
		}
	}
	return fhir.Errorf(fhir.CodeBusinessRule, string(b.Resource), "The clinic looks at changes of this first: %s.", strings.Join(concerned, ", ")).
		Because(&commit.Pending{Change: c, Current: current, Elements: elements})
}

// differing names the elements at the top of a resource that two states of it have not alike.
func differing(a, b *node) []string {
	var out []string
	add := func(name string) {
		name = strings.TrimPrefix(name, "_")
		if name != "resourceType" && name != "id" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, m := range b.members {
		if was := a.member(m.name); was == nil || !same(was, m.node) {
			add(m.name)
		}
	}
	for _, m := range a.members {
		if b.member(m.name) == nil {
			add(m.name)
		}
	}
	return out
}
