package chartmap

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// wanted reads what a client sent.
func (p *planner) wanted(body []byte) (*node, error) {
	n, err := clientPart(body)
	if err != nil || n.kind != nodeObject {
		return nil, fhir.Errorf(fhir.CodeStructure, "", "The content is not a JSON object with a resourceType.")
	}
	n.relative(p.Base)
	return n, nil
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
		if doc, ok = p.complete(w, b, doc); !ok {
			return nil, nil, refusal(*w.issues)
		}
	}
	p.rules(w, b, was, doc, wanted, old)
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

// complete gives a new document what no rule gives it.
func (p *planner) complete(w *writer, b *branch, doc store.Doc) (store.Doc, bool) {
	var set []store.Field
	for _, f := range b.OnCreate {
		if store.Missing(store.Lookup(doc, f.Path)) {
			set = append(set, f)
		}
	}
	doc, err := store.Updated(doc, set, nil)
	if err != nil {
		w.fail(fhir.CodeBusinessRule, string(b.Resource), "What the chart map gives a new document does not go with what was sent.")
		return nil, false
	}
	return doc, true
}

// rules holds a change against what the map says about the document as a whole.
func (p *planner) rules(w *writer, b *branch, was, doc store.Doc, wanted, old *node) {
	at := string(b.Resource)
	if !b.base.match(doc) {
		w.fail(fhir.CodeBusinessRule, at, "The EHR would no longer see a %s in this: %s is missing, or has another value than these have.", b.Resource, strings.Join(b.asked(), ", "))
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
		if w.mapping != nil && slices.ContainsFunc(w.mapping.Review, func(s string) bool { return rule.Path == string(w.mapping.Resource)+"."+s || rule.Path == s }) {
			w.fail(fhir.CodeBusinessRule, rule.Path, "The clinic looks at changes of this first. Ask for it there.")
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

// create plans a new document: by the first map that takes the resource.
func (p *planner) create(ctx context.Context, c fhir.Change) error {
	s := p.Map.types[c.Key.Type]
	wanted, err := p.wanted(c.Body)
	if err != nil {
		return err
	}
	var refused error
	for _, b := range s.branches {
		if !b.Allows.Create || !b.meant(wanted) {
			continue
		}
		key, err := p.newKey(ctx, s, b, c)
		if err != nil {
			return err
		}
		doc, added, err := p.insertion(b, key, wanted.clone())
		if err != nil {
			if refused == nil {
				refused = err
			}
			continue
		}
		return p.insert(s, b, key, doc, added)
	}
	if refused == nil {
		refused = fhir.Errorf(fhir.CodeBusinessRule, string(c.Key.Type), "The EHR has no place for a %s like this. It has for: %s.", c.Key.Type, s.kinds())
	}
	return refused
}

// meant reports whether a resource says what the constants of a branch do.
func (b *branch) meant(wanted *node) bool {
	for i := range b.body.members {
		m := &b.body.members[i]
		if child := wanted.member(m.elem.Member); child != nil && m.lens.fill() == constant && !agrees(m.lens, child) {
			return false
		}
	}
	return true
}

// kinds says which resources can be made, by the constants that tell them apart.
func (s *served) kinds() string {
	var out []string
	for _, b := range s.branches {
		if !b.Allows.Create {
			continue
		}
		kind := b.Name
		if b.suffix != "" {
			kind += " " + b.suffix
		}
		out = append(out, kind)
	}
	return strings.Join(out, ", ")
}

// newKey gives the key of a new document.
func (p *planner) newKey(ctx context.Context, s *served, b *branch, c fhir.Change) (store.Value, error) {
	if c.Key.ID == "" {
		return b.newKey(), nil
	}
	key, suffix, ok := s.ids.parse(c.Key.ID)
	if !ok || suffix != b.suffix {
		return key, fhir.Errorf(fhir.CodeNotSupported, string(c.Key.Type)+".id", "The EHR cannot keep a new %s under this id.", c.Key.Type)
	}
	w, err := p.document(ctx, b, key)
	switch {
	case err != nil:
		return key, err
	case w != nil:
		return key, fhir.Errorf(fhir.CodeConflict, "http.If-None-Match", "%s exists already.", c.Key)
	}
	return key, nil
}

// newKey makes a key as the EHR would.
func (m *Mapping) newKey() store.Value {
	if m.NewID == "uuid" {
		var u [16]byte
		_, _ = rand.Read(u[:]) // never fails
		u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
		return store.String(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]))
	}
	return store.V(bson.NewObjectID())
}

func (p *planner) newToken() string { return rand.Text() }

// insertion makes a new document.
func (p *planner) insertion(b *branch, key store.Value, wanted *node) (store.Doc, *overlay, error) {
	id := key
	if b.id.path != "_id" {
		id = store.V(bson.NewObjectID())
	}
	start, err := bson.Marshal(bson.D{{Key: "_id", Value: id}})
	if err != nil {
		return nil, nil, fmt.Errorf("chartmap: a new document: %w", err)
	}
	var fields []store.Field
	if b.id.path != "_id" {
		fields = append(fields, store.Field{Path: b.id.path, Value: key})
	}
	fields = append(fields, constants(b.Where)...)
	doc, err := store.Updated(start, fields, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("chartmap: a new document: %w", err)
	}
	w := &writer{get: p.opened(b, doc), mapping: b.Mapping, doc: doc, scope: b.scope, self: key, isNew: true, issues: new([]fhir.Issue)}
	return p.write(w, b, nil, wanted, nil)
}

// constants gives the fields that a condition says to be equal to something.
func constants(f store.Filter) []store.Field {
	switch f := f.(type) {
	case store.And:
		var out []store.Field
		for _, g := range f {
			out = append(out, constants(g)...)
		}
		return out
	case store.Eq:
		if f.Value.Type != bson.TypeNull {
			return []store.Field{{Path: f.Path, Value: f.Value}}
		}
	}
	return nil
}

// insert adds the ops of a new document.
func (p *planner) insert(s *served, b *branch, key store.Value, doc store.Doc, added *overlay) error {
	w := &work{collection: b.Collection, id: store.ID(doc), now: doc}
	doc, err := store.Updated(doc, p.raise(b, w), nil)
	if err != nil {
		return fmt.Errorf("chartmap: a new document: %w", err)
	}
	w.now = doc
	var room [maxID]byte
	id, ok := s.ids.append(room[:0], key, b.suffix)
	if !ok {
		return fmt.Errorf("chartmap: a new key cannot be an id")
	}
	p.docs[b.Collection+"/"+string(id)] = w
	p.ops = append(p.ops, store.Op{Kind: store.Insert, Collection: b.Collection, Doc: doc})
	at := fhir.Key{Type: b.Resource, ID: string(id)}
	if added != nil {
		p.ops = append(p.ops, (&layer{id: at.String()}).op(added))
	}
	p.done = append(p.done, outcome{fhir.Created, at, b, w, added})
	return nil
}

// remove plans a deletion: of the document, or of what one of several resources has of it
// alone.
func (p *planner) remove(c fhir.Change, b *branch, w *work, l *layer) error {
	if !b.Allows.Delete {
		return fhir.Errorf(fhir.CodeBusinessRule, "", "%s cannot be deleted here: it belongs to the EHR.", c.Key)
	}
	op := store.Op{Kind: store.Delete}
	if rest := slices.ContainsFunc(b.branches, func(o *branch) bool { return o != b && o.base.match(w.now) }); rest {
		op.Kind = store.Update
		for _, path := range b.alone() {
			if !store.Missing(store.Lookup(w.now, path)) {
				op.Unset = append(op.Unset, path)
			}
		}
		doc, err := store.Updated(w.now, nil, op.Unset)
		if err != nil {
			return fmt.Errorf("chartmap: taking a %s out of its document: %w", c.Key.Type, err)
		}
		if b.base.match(doc) {
			return fhir.Errorf(fhir.CodeBusinessRule, "", "%s cannot be deleted: others in the EHR have it in common.", c.Key)
		}
	}
	if err := p.apply(b, w, op); err != nil {
		return err
	}
	if l.version > 0 {
		p.ops = append(p.ops, l.op(nil))
	}
	p.done = append(p.done, outcome{status: fhir.Deleted, key: c.Key})
	return nil
}

// alone lists the fields that no other resource of the same document has.
func (b *branch) alone() []string {
	var own, others []string
	for _, rule := range b.Rules {
		if rule.Suffix == b.suffix {
			own = append(own, rule.Fields...)
		} else {
			others = append(others, rule.Fields...)
		}
	}
	return slices.DeleteFunc(own, func(path string) bool { return slices.Contains(others, path) })
}
