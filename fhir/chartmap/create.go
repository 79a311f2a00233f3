package chartmap

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

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
