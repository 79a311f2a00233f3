package chartmap

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

func (c *coded) match(v *node) int { return fits(v) }

// put writes the clinic's code: the one that is there, where it means what is
// wanted, else the first of the table that does.
func (c *coded) put(w *writer, f *frame, v *node, at string) {
	if w.kept(c, f, v) {
		return
	}
	switch {
	case v == nil || v.kind == nodeNull:
		w.remove(c.ref, f)
	case c.typ != "CodeableConcept":
		c.write(w, f, []*node{v}, at)
		return
	case v.member("coding") == nil:
		if c.shows(f.value(c.ref)) {
			w.remove(c.ref, f)
		}
	default:
		c.write(w, f, v.member("coding").items, at+".coding")
	}
	if c.label != nil {
		label := &text{defaulted: defaulted[string]{ref: *c.label}, typ: "string", at: c.at}
		label.put(w, f, v.member("text"), at+".text")
	}
}

// shows reports whether a code of the clinic can be seen, and so be taken away.
func (c *coded) shows(v bson.RawValue) bool {
	local, isText := textOf(v)
	return c.table.find(v) != nil || isText && c.keeps(string(local))
}

// write writes the first of the codings that the EHR has a code for.
func (c *coded) write(w *writer, f *frame, codings []*node, at string) {
	now := f.value(c.ref)
	known := c.table.find(now)
	for _, n := range codings {
		if known != nil && c.means(known, n) {
			c.complete(n, known)
			return
		}
	}
	for _, n := range codings {
		i := slices.IndexFunc(c.table.entries, func(e code) bool { return c.means(&e, n) && c.table.first(&e) })
		if i >= 0 {
			c.complete(n, &c.table.entries[i])
			w.put(c.ref, f, c.table.entries[i].from, at)
			return
		}
	}
	for _, n := range codings {
		if s, ok := c.local(n, now); ok {
			w.put(c.ref, f, store.String(s), at)
			return
		}
	}
	w.fail(fhir.CodeCodeInvalid, at, "The EHR has no code for this. It has: %s.", c.table.listed(func(*code) bool { return true }))
}

// means reports whether a code or coding of a client is that of an entry.
func (c *coded) means(e *code, n *node) bool {
	if c.typ == "code" {
		return n.string() == e.code
	}
	return n.member("code").string() == e.code && n.member("system").string() == e.system
}

// complete gives a coding the display that the table has.
func (c *coded) complete(n *node, e *code) {
	if c.typ != "code" && e.display != "" {
		n.set("display", &node{kind: nodeText, text: e.display})
	}
}

// local gives the clinic's own code that a coding stands for: of its system, or as
// it was read.
func (c *coded) local(n *node, now bson.RawValue) (string, bool) {
	s, system := n.string(), ""
	if c.typ != "code" {
		s, system = n.member("code").string(), n.member("system").string()
	}
	if _, taken := c.table.text[s]; taken || s == "" || !c.keeps(s) {
		return "", false
	}
	if there, ok := textOf(now); ok && string(there) == s && system == c.table.localSystem {
		return s, true
	}
	return s, c.typ != "code" && system != "" && system == c.table.localSystem
}

// first reports whether no earlier entry means the same.
func (t *table) first(e *code) bool {
	i := slices.IndexFunc(t.entries, func(o code) bool { return o.code == e.code && o.system == e.system })
	return i >= 0 && store.Compare(t.entries[i].from, e.from) == 0
}

// listed names the codes of a table for a message.
func (t *table) listed(keep func(*code) bool) string {
	const most = 20
	var out []string
	for i := range t.entries {
		if e := &t.entries[i]; keep(e) && !slices.Contains(out, e.code) {
			out = append(out, e.code)
		}
	}
	if len(out) > most {
		out = append(out[:most], "…")
	}
	return strings.Join(out, ", ")
}

func (r *reference) match(v *node) int {
	ref := v.member("reference").string()
	if ref == "" {
		return 0
	}
	for i := range r.roles {
		if to := fhir.ParseReference(ref, ""); to.Kind == fhir.RefLocal && to.Key.Type == r.roles[i].typ {
			return 2
		}
	}
	return 0
}

// put writes the key, and with $refBy the role where it is not that type's already.
func (r *reference) put(w *writer, f *frame, v *node, at string) {
	switch {
	case v == nil && r.omitSelf != nil && w.isNew:
		w.assign(r.path, w.self)
		return
	case v == nil || v.member("reference") == nil && v.member("extension") != nil:
		if w.kept(r, f, v) {
			return
		}
		w.remove(r.ref, f)
		if r.by != nil {
			w.remove(*r.by, f)
		}
		return
	case v.member("reference").string() == "":
		w.fail(fhir.CodeBusinessRule, at, "The EHR keeps which resource this is: give a reference to it.")
		return
	}
	if now, _ := w.current(r, f); now != nil && same(now.member("reference"), v.member("reference")) {
		return
	}
	to := fhir.ParseReference(v.member("reference").text, "")
	i := slices.IndexFunc(r.roles, func(o role) bool { return o.typ == to.Key.Type })
	if to.Kind != fhir.RefLocal || to.Version != "" || i < 0 {
		w.fail(fhir.CodeBusinessRule, at, "The EHR keeps a reference to a %s of this server here, without a version.", r.types())
		return
	}
	key, suffix, ok := r.roles[i].ids.parse(to.Key.ID)
	if !ok || suffix != "" {
		w.fail(fhir.CodeBusinessRule, at, "There can be no such %s.", to.Key.Type)
		return
	}
	if r.by != nil {
		if now, ok := r.role(f); !ok || now.typ != to.Key.Type {
			w.put(*r.by, f, r.roles[i].from, at)
		}
	}
	w.put(r.ref, f, like(f.value(r.ref), key), at)
}

// types names what may be referred to.
func (r *reference) types() string {
	var out []string
	for _, o := range r.roles {
		if s := string(o.typ); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, " or ")
}
