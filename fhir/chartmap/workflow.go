package chartmap

import (
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// rules holds a change against what the map says about the document as a whole.
func (p *planner) rules(w *writer, b *branch, was, doc store.Doc, wanted, old *node) {
	at := string(b.Resource)
	if !b.base.match(doc) {
		w.fail(fhir.CodeBusinessRule, at, "The EHR would not see a %s in this: %s is missing, or has another value than these have.", b.Resource, strings.Join(b.asked(), ", "))
		return
	}
	for typ, path := range b.Compartment {
		before, after := store.Lookup(was, path), store.Lookup(doc, path)
		switch {
		case path == b.id.path:
		case store.Missing(after) || after.Type == bson.TypeNull:
			if w.isNew || !store.Missing(before) && before.Type != bson.TypeNull {
				w.fail(fhir.CodeBusinessRule, at, "The EHR must know whose this is: refer to the %s.", typ)
			}
		case !w.isNew && !store.Missing(before) && before.Type != bson.TypeNull && store.Compare(before, after) != 0:
			w.fail(fhir.CodeBusinessRule, at, "Whose this is cannot be changed.")
		}
	}
	p.transition(w, b, was, doc)
	p.writers(w, wanted, old)
	if !w.isNew {
		p.siblings(w, b, was, doc)
	}
}

// asked names the fields by which documents are of a map.
func (b *branch) asked() []string {
	var out []string
	if b.Where != nil {
		out = addFields(out, b.Where)
	}
	if len(b.has) > 0 {
		out = append(out, strings.Join(b.has, " or "))
	}
	for i := range b.body.members {
		if m := &b.body.members[i]; m.elem.Required && m.elem.Type == "Reference" && m.rule != nil {
			out = append(out, m.rule.Fields...)
		}
	}
	return out
}

// siblings refuses a change that other resources of the same document would see, too.
func (p *planner) siblings(w *writer, b *branch, was, doc store.Doc) {
	for _, o := range b.branches {
		if o == b || !o.base.match(was) {
			continue
		}
		before, err1 := p.made(o, was)
		after, err2 := p.made(o, doc)
		if err1 != nil || err2 != nil || !same(before, after) || !o.base.match(doc) {
			w.fail(fhir.CodeBusinessRule, string(b.Resource), "The EHR keeps several resources in one document, which share what is to be changed. Change it in the EHR.")
			return
		}
	}
}

// writers holds changed elements against who may write them.
func (p *planner) writers(w *writer, wanted, old *node) {
	for _, rule := range w.changed {
		if p.actor != nil && len(rule.WritableBy) > 0 && !p.writes(rule, wanted, old) {
			w.fail(fhir.CodeForbidden, rule.Path, "This can be written by: %s.", strings.Join(rule.WritableBy, ", "))
		}
	}
}

// writes reports whether the actor is one of those who may write an element.
func (p *planner) writes(rule *Rule, wanted, old *node) bool {
	if old == nil {
		old = wanted
	}
	for _, who := range rule.WritableBy {
		switch {
		case who == p.actor.Role:
			return true
		case who == "sender" && p.isOneOf(old.member("sender")), who == "recipient" && p.isOneOf(old.member("recipient")):
			return true
		}
	}
	return false
}

// isOneOf reports whether the actor is what an element refers to.
func (p *planner) isOneOf(n *node) bool {
	if n == nil {
		return false
	}
	if n.kind == nodeList {
		return slices.ContainsFunc(n.items, p.isOneOf)
	}
	return slices.ContainsFunc(p.actor.Self, func(k fhir.Key) bool { return n.member("reference").string() == k.String() })
}

// transition holds a change of the EHR's state against what may follow on what.
func (p *planner) transition(w *writer, b *branch, was, doc store.Doc) {
	c := b.state
	if c == nil || len(b.Transitions) == 0 {
		return
	}
	from, _ := textOf(store.Lookup(was, c.path))
	to, _ := textOf(store.Lookup(doc, c.path))
	if string(from) == string(to) && !w.isNew {
		return
	}
	var may []string
	for actor, by := range b.Transitions {
		if p.actor == nil || p.actor.Role == actor {
			may = append(may, by[string(from)]...)
		}
	}
	if slices.Contains(may, string(to)) {
		return
	}
	allowed := c.table.listed(func(e *code) bool { s, _ := textOf(e.from); return slices.Contains(may, string(s)) })
	if allowed == "" {
		allowed = "none"
	}
	at := string(b.Resource) + ".status"
	if p.actor != nil && b.Transitions[p.actor.Role] == nil {
		w.fail(fhir.CodeBusinessRule, at, "The chart map lets nobody who acts as %s move this state: its transitions are of %s.", p.actor.Role, strings.Join(slices.Sorted(maps.Keys(b.Transitions)), ", "))
		return
	}
	if w.isNew {
		w.fail(fhir.CodeBusinessRule, at, "A new %s cannot begin like this. Possible: %s.", b.Resource, allowed)
		return
	}
	w.fail(fhir.CodeBusinessRule, at, "From %s this cannot follow. Possible: %s.", c.name(store.Lookup(was, c.path)), allowed)
}

// name gives a state as FHIR calls it.
func (c *coded) name(v store.Value) string {
	if e := c.table.find(v); e != nil {
		return e.code
	}
	return "its present state"
}
