package chartmap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// wanted reads what a client sent.
func (p *planner) wanted(body []byte) (*node, error) {
	n, err := clientPart(body)
	if err != nil || n.kind != nodeObject {
		return nil, fhir.Errorf(fhir.CodeStructure, "", "The content is not a JSON object with a resourceType.")
	}
	if tags := n.member("meta").member("tag"); tags != nil && slices.ContainsFunc(tags.items, func(t *node) bool { return t.member("code").string() == "SUBSETTED" }) {
		return nil, fhir.Errorf(fhir.CodeBusinessRule, n.member("resourceType").string()+".meta.tag", "This says that it is a part of a resource. The rest would be lost.")
	}
	if at := n.longList(n.member("resourceType").string()); at != "" {
		return nil, fhir.Errorf(fhir.CodeTooCostly, at, "The EHR takes at most %d entries of a list.", maxEntries)
	}
	n.relative(p.Base)
	return n, nil
}

// maxEntries bounds the work of finding the entries of a list again, which grows with
// the square of their number.
const maxEntries = 1000

// longList finds a list that is too long; "" when there is none.
func (n *node) longList(at string) string {
	if len(n.items) > maxEntries {
		return at
	}
	for _, item := range n.items {
		if found := item.longList(at); found != "" {
			return found
		}
	}
	for _, m := range n.members {
		if found := m.node.longList(at + "." + m.name); found != "" {
			return found
		}
	}
	return ""
}

// relative writes references to this server as they are read.
func (n *node) relative(base string) {
	for _, m := range n.members {
		if m.name == "reference" && m.node.kind == nodeText {
			if to := fhir.ParseReference(m.node.text, base); to.Kind == fhir.RefLocal && to.Version == "" && to.Fragment == "" {
				m.node.text = to.Key.String()
			}
		}
		m.node.relative(base)
	}
	for _, item := range n.items {
		item.relative(base)
	}
}

// write puts a resource into a document, and says what it becomes and what has to be kept beside
// it. The resource as it was is nil for a new one. The error lists everything that is wrong.
func (p *planner) write(w *writer, b *branch, was store.Doc, wanted, old *node) (store.Doc, *overlay, error) {
	at := string(b.Resource)
	b.body.put(w, b.scope.frame(w.doc), wanted, at)
	doc, ok := w.finish(at)
	if !ok || len(*w.issues) > 0 {
		return nil, nil, refusal(*w.issues)
	}
	if w.isNew {
		var err error
		if doc, ok, err = p.complete(w, b, doc); err != nil {
			return nil, nil, err
		}
		if !ok {
			return nil, nil, refusal(*w.issues)
		}
	}
	p.rules(w, b, was, doc, wanted, old)
	p.relabeled(w, b, was, doc, wanted)
	if len(*w.issues) > 0 {
		return nil, nil, refusal(*w.issues)
	}
	made, err := p.made(b, doc)
	if err != nil {
		return nil, nil, err
	}
	d := &differ{}
	added := d.resource(made, wanted, at)
	p.beyond(d, b, added, at)
	if len(d.issues) > 0 {
		return nil, nil, refusal(d.issues)
	}
	return doc, added, nil
}

func refusal(issues []fhir.Issue) error {
	const most = 50
	if len(issues) > most {
		issues = issues[:most]
	}
	return &fhir.Error{Issues: issues}
}

// made gives what the rules make of a document.
func (p *planner) made(b *branch, doc store.Doc) (*node, error) {
	e := p.encoder()
	e.report = nil
	var m marks
	e.marks = &m
	res, ok := e.encode(b, doc)
	if !ok {
		return nil, fhir.Errorf(fhir.CodeBusinessRule, "", "The EHR's key for this %s cannot be an id.", b.Resource)
	}
	n, err := parseNode(res.Body, &m)
	if err != nil {
		return nil, fmt.Errorf("chartmap: what was made is malformed: %w", err)
	}
	n.set("meta", nil)
	n.set("id", nil)
	return n, nil
}

// beyond refuses what the EHR has no place for, where nothing else keeps it, or where the EHR would
// understand the rest wrongly without it.
func (p *planner) beyond(d *differ, b *branch, added *overlay, at string) {
	const needed = "The EHR has no place for this, and would understand the rest wrongly without it."
	for _, a := range added.additions(at) {
		if b.Unmapped != "overflow" {
			d.fail(a.at, "The EHR has no place for this.")
			continue
		}
		if strings.HasSuffix(a.at, ".modifierExtension") || a.at == at+".implicitRules" || modifies(a.at) {
			d.fail(a.at, needed)
		}
		if n, err := parseNode(a.value, nil); err == nil {
			for _, within := range n.modifiers(a.at) {
				d.fail(within, needed)
			}
		}
	}
}
