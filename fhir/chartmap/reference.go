package chartmap

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// role is a value of $types: which type a reference has.
type role struct {
	from store.Value // nil type without $refBy
	typ  fhir.Type
	ids  ids
}

// reference is a Reference to another document's resource: $ref to one type,
// $refBy to the type that a role field names.
type reference struct {
	ref
	by       *ref // role field
	roles    []role
	omitSelf *selfRef
	at       *origin
}

// selfRef says what the document's own reference would be ($omitSelf).
type selfRef struct {
	id  ref
	typ fhir.Type
}

func (r *reference) fill() filling { return noFill }

func (r *reference) get(e *encoder, f *frame) state {
	v := f.value(r.ref)
	if v.Type == 0 {
		return absent
	}
	to, ok := r.role(f)
	if !ok {
		return e.malformed(r.at)
	}
	if r.omitSelf != nil && store.Compare(v, e.id) == 0 {
		return absent
	}
	e.buf = append(append(append(e.buf, `{"reference":"`...), to.typ...), '/')
	buf, ok := to.ids.append(e.buf, v, "")
	if !ok {
		if s, isText := v.StringValueOK(); isText && s == "" {
			return absent
		}
		return e.malformed(r.at)
	}
	e.buf = append(buf, `"}`...)
	return stored
}

func (r *reference) role(f *frame) (*role, bool) {
	if r.by == nil {
		return &r.roles[0], true
	}
	v := f.value(*r.by)
	for i := range r.roles {
		if store.Compare(r.roles[i].from, v) == 0 {
			return &r.roles[i], true
		}
	}
	return nil, false
}

func (r *reference) has() (present, own cond) {
	c := r.notSelf(exactly{conjunction([]store.Filter{r.usable(), r.roleIs(func(*role) bool { return true })})})
	return c, c
}

// roleIs holds where the role field has one of the roles that satisfy keep.
func (r *reference) roleIs(keep func(*role) bool) store.Filter {
	if r.by == nil {
		if keep(&r.roles[0]) {
			return store.All()
		}
		return store.None()
	}
	var vs []store.Value
	for i := range r.roles {
		if keep(&r.roles[i]) {
			vs = append(vs, r.roles[i].from)
		}
	}
	return r.by.in(vs)
}

// notSelf excludes references to the document's own resource. No filter
// compares two fields, so the documents are read.
func (r *reference) notSelf(c exactly) cond {
	if r.omitSelf == nil {
		return c
	}
	return roughly{c.f, func(doc store.Doc) bool {
		return store.Match(c.f, doc) && store.Compare(store.Lookup(doc, r.path), store.Lookup(doc, r.omitSelf.id.path)) != 0
	}}
}
