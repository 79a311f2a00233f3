package chartmap

import (
	"encoding/hex"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// hexID is an ObjectId as its 24 hexadecimal digits ($as: objectId).
type hexID struct {
	ref
	typ string
	at  *origin
}

func (h *hexID) fill() filling { return noFill }

func (h *hexID) get(e *encoder, f *frame) state {
	v := f.value(h.ref)
	if v.Type == 0 {
		return absent
	}
	if v.Type != bson.TypeObjectID || len(v.Value) != 12 {
		return e.malformed(h.at)
	}
	e.buf = append(hex.AppendEncode(append(e.buf, '"'), v.Value), '"')
	return stored
}

func (h *hexID) has() (present, own cond) {
	first, last := bson.ObjectID{}, bson.ObjectID{}
	for i := range last {
		last[i] = 0xff
	}
	c := exactly{h.scalar(store.Range{
		Path: h.path, Low: &store.Bound{Value: store.V(first), Inclusive: true}, High: &store.Bound{Value: store.V(last), Inclusive: true},
	})}
	return c, c
}

// search finds whole ids; a beginning of one cannot be looked for, since R4's string
// search ignores case and accents and nothing else.
func (h *hexID) search(s *seeker, path []step, t *test) cond {
	if !s.leaf(path, noFill) {
		return never
	}
	switch {
	case t.kind == testPresent:
		present, _ := h.has()
		return present
	case t.kind == testToken && (h.typ == "string" || h.typ == "id" || h.typ == "code"):
		present, _ := h.has()
		if !t.token.AnySystem && t.token.System != "" || t.token.AnyCode {
			return t.unless(never, present)
		}
		return t.unless(h.equals(t.token.Code), present)
	case t.kind == testURI && h.typ == "uri", t.kind == testCode:
		present, _ := h.has()
		return t.unless(h.equals(t.uri), present)
	}
	return s.refuse()
}

func (h *hexID) equals(s string) cond {
	if !isHex24([]byte(s)) {
		return never
	}
	id, err := bson.ObjectIDFromHex(s)
	if err != nil {
		return never
	}
	return exactly{h.eq(store.V(id))}
}

func (h *hexID) match(v *node) int { return fits(v) }

func (h *hexID) put(w *writer, f *frame, v *node, at string) {
	if !w.primitive(h, h.ref, f, v, nodeText, at) {
		return
	}
	id, err := bson.ObjectIDFromHex(v.text)
	if err != nil || !isHex24([]byte(v.text)) {
		w.fail(fhir.CodeValue, at, "The EHR keeps an ObjectId here: 24 hexadecimal digits in lower case.")
		return
	}
	w.put(h.ref, f, store.V(id), at)
}
