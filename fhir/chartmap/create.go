package chartmap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
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
		if !b.Allows.Create || b.against(wanted) != "" {
			continue
		}
		ops, counters := len(p.ops), maps.Clone(p.counters)
		key, err := p.newKey(ctx, s, b, c)
		if err != nil {
			return err
		}
		doc, added, err := p.insertion(ctx, b, key, wanted.clone())
		var told *fhir.Error
		if err != nil && !errors.As(err, &told) {
			return err
		}
		if err != nil {
			p.ops, p.counters = p.ops[:ops], counters // nothing was counted
			if refused == nil {
				refused = err
			}
			continue
		}
		if err := p.pend(c, b, fhir.Resource{}, differing(&node{kind: nodeObject}, wanted)); err != nil {
			return err
		}
		l := &layer{}
		if c.Key.ID != "" { // which another may have had, that the EHR deleted
			if l, err = p.layer(ctx, b, c.Key); err != nil {
				return err
			}
		}
		return p.insert(s, b, key, doc, added, l)
	}
	if refused == nil {
		refused = fhir.Errorf(fhir.CodeBusinessRule, string(c.Key.Type), "The EHR has no place for a %s like this. It has for: %s.", c.Key.Type, s.kinds(wanted))
	}
	return refused
}

// against names the element of a resource that says something else than the constants of
// a branch do; "" when none does.
func (b *branch) against(wanted *node) string {
	for i := range b.body.members {
		m := &b.body.members[i]
		if child := wanted.member(m.elem.Member); child != nil && m.lens.fill() == constant && !agrees(m.lens, child) {
			return m.elem.Member
		}
	}
	return ""
}

// kinds says which resources can be made, and what makes this one another.
func (s *served) kinds(wanted *node) string {
	var out []string
	for _, b := range s.branches {
		if !b.Allows.Create {
			continue
		}
		kind := b.Name
		if b.suffix != "" {
			kind += " " + b.suffix
		}
		out = append(out, kind+" (with another "+b.against(wanted)+")")
	}
	return strings.Join(out, ", ")
}

// newKey gives the key of a new document.
func (p *planner) newKey(ctx context.Context, s *served, b *branch, c fhir.Change) (store.Value, error) {
	switch {
	case c.Key.ID == "" && b.counted != nil:
		return p.count(ctx, b.counted)
	case c.Key.ID == "":
		return freshKey(b.NewID), nil
	case b.counted != nil:
		return store.Value{}, fhir.Errorf(fhir.CodeNotSupported, string(c.Key.Type)+".id", "The EHR counts the ids of new %s. They can only be created alone, without an id.", c.Key.Type)
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

func (p *planner) newToken() string { return rand.Text() }

// insertion makes a new document.
func (p *planner) insertion(ctx context.Context, b *branch, key store.Value, wanted *node) (store.Doc, *overlay, error) {
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
	w := &writer{get: p.opened(b, doc), doc: doc, scope: b.scope, self: key, isNew: true, issues: new([]fhir.Issue)}
	w.give = func(g *given) (store.Value, error) { return p.give(ctx, g) }
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
func (p *planner) insert(s *served, b *branch, key store.Value, doc store.Doc, added *overlay, l *layer) error {
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
	l.id = at.String()
	if !l.overlay.same(added) {
		p.ops = append(p.ops, l.op(added))
	}
	p.done = append(p.done, outcome{fhir.Created, at, b, w, added})
	return nil
}

// complete gives a new document what no rule gives it. It is not ok where what stands in the way is
// told to the writer.
func (p *planner) complete(w *writer, b *branch, doc store.Doc) (out store.Doc, ok bool, err error) {
	var set []store.Field
	for i := range b.onCreate {
		g := &b.onCreate[i]
		if !store.Missing(store.Lookup(doc, g.path)) {
			continue
		}
		v, err := w.give(g)
		if err != nil {
			return nil, false, err
		}
		if !store.Missing(v) {
			set = append(set, store.Field{Path: g.path, Value: v})
		}
	}
	if out, err = store.Updated(doc, set, nil); err != nil {
		w.fail(fhir.CodeBusinessRule, string(b.Resource), "What the chart map gives a new document does not go with what was sent.")
		return nil, false, nil
	}
	return out, true, nil
}
