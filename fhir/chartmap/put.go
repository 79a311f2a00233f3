package chartmap

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// writer collects what lenses change in one document, or in one element of an
// array.
type writer struct {
	get   *encoder // for what stands there now
	doc   store.Doc
	scope *scope
	self  store.Value // key of the whole document
	isNew bool        // the document, or the element, is to be created

	set     []store.Field
	unset   []string
	expects []store.Field  // what fields must still be, beside the document's version
	whole   *store.Value   // for an element that is not a document: what it becomes
	later   []func(*frame) // what reads fields that others write
	issues  *[]fhir.Issue

	give func(*given) (store.Value, error) // onCreate, for a new document
	rule *Rule                             // of the element that is being put

	changed []*Rule // of the resource, whose elements change
}

// fail says why something cannot be written.
func (w *writer) fail(code fhir.IssueCode, at, format string, args ...any) {
	*w.issues = append(*w.issues, fhir.Issue{Code: code, Path: at, Detail: fmt.Sprintf(format, args...)})
}

// mismatch is for content that is not what the element's type wants. It was
// validated, so that only extensions in the place of a value come here.
func (w *writer) mismatch(at string) {
	w.fail(fhir.CodeBusinessRule, at, "The EHR keeps a value here, and nothing else in its place.")
}

// current gives what a lens makes of what stands there now.
func (w *writer) current(l lens, f *frame) (*node, state) {
	e := w.get
	start := len(e.buf)
	report, noted := e.report, e.marks
	e.report, e.marks = nil, nil
	st := l.get(e, f)
	e.report, e.marks = report, noted
	text := e.buf[start:]
	e.buf = e.buf[:start]
	if st == absent {
		return nil, absent
	}
	n, err := parseNode(text, nil)
	if err != nil {
		return nil, absent
	}
	return n, st
}

// kept reports whether a lens makes v already, or nothing that comes from the
// document where v is nothing.
func (w *writer) kept(l lens, f *frame, v *node) bool {
	now, st := w.current(l, f)
	if v == nil {
		return st != stored
	}
	return st != absent && same(now, v)
}

// put sets a field. A document or an array that stands there is no value of
// this rule: it is never overwritten.
func (w *writer) put(r ref, f *frame, v store.Value, at string) {
	if now := f.value(r); now.Type == bson.TypeArray || now.Type == bson.TypeEmbeddedDocument {
		w.fail(fhir.CodeBusinessRule, at, "What the EHR has here is not of the kind that the chart map expects. It must be put right there first.")
		return
	}
	if r.path == "" {
		w.whole = &v
		return
	}
	w.assign(r.path, v)
}

// assign sets a path, whatever stands there.
func (w *writer) assign(path string, v store.Value) {
	w.unset = slices.DeleteFunc(w.unset, func(p string) bool { return p == path })
	if i := slices.IndexFunc(w.set, func(f store.Field) bool { return f.Path == path }); i >= 0 {
		w.set[i].Value = v
		return
	}
	w.set = append(w.set, store.Field{Path: path, Value: v})
}

// remove takes a field away.
func (w *writer) remove(r ref, f *frame) {
	if f.value(r).Type == 0 {
		return
	}
	if r.path == "" {
		w.whole = &store.Value{}
		return
	}
	if !slices.Contains(w.unset, r.path) {
		w.unset = append(w.unset, r.path)
	}
}

// frame reads the fields of a document.
func (s *scope) frame(doc store.Doc) *frame {
	f := &frame{self: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, values: make([]bson.RawValue, len(s.names))}
	s.fill(doc, f.values)
	return f
}

// finish carries out what was put and gives the document. It is not ok where
// what stands in the way is told to the writer.
func (w *writer) finish(at string) (store.Doc, bool) {
	doc, set, ok := w.apply(at)
	if ok && len(w.later) > 0 {
		f := w.scope.frame(doc)
		for _, put := range w.later {
			put(f)
		}
		w.later = nil
		doc, set, ok = w.apply(at)
	}
	w.set = set
	return doc, ok
}

// apply makes the document, and gives the fields to set when null parents have been
// replaced: a field can only be set in a document.
func (w *writer) apply(at string) (store.Doc, []store.Field, bool) {
	var set []store.Field
	parents := map[string]store.Doc{}
	var order []string
	for _, f := range w.set {
		parent, isNull, ok := w.obstacle(f.Path)
		switch {
		case !ok:
			w.fail(fhir.CodeBusinessRule, at, "What the EHR has in %q is not of the kind that the chart map expects. It must be put right there first.", parent)
			return nil, nil, false
		case !isNull:
			set = append(set, f)
			continue
		}
		if parents[parent] == nil {
			parents[parent] = emptyDoc()
			order = append(order, parent)
		}
		inner, err := store.Updated(parents[parent], []store.Field{{Path: f.Path[len(parent)+1:], Value: f.Value}}, nil)
		if err != nil {
			w.fail(fhir.CodeBusinessRule, at, "The EHR cannot hold this.")
			return nil, nil, false
		}
		parents[parent] = inner
	}
	for _, p := range order {
		set = append(set, store.Field{Path: p, Value: store.Value{Type: bson.TypeEmbeddedDocument, Value: parents[p]}})
	}
	doc, err := store.Updated(w.doc, set, w.unset)
	if err != nil {
		w.fail(fhir.CodeBusinessRule, at, "The EHR's document cannot be changed like this.")
		return nil, nil, false
	}
	return doc, set, true
}

func emptyDoc() store.Doc { return store.Doc{5, 0, 0, 0, 0} }

// lookup gives what stands at a path, which may lead through elements of arrays.
func lookup(doc store.Doc, path string) bson.RawValue {
	v := bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
	for part := range strings.SplitSeq(path, ".") {
		if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
			return bson.RawValue{}
		}
		v = store.Lookup(store.Doc(v.Value), part)
	}
	return v
}

// obstacle finds the outermost parent of a path that is not a document: null can be
// replaced, anything else not.
func (w *writer) obstacle(path string) (parent string, isNull, ok bool) {
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		switch lookup(w.doc, path[:i]).Type {
		case bson.TypeEmbeddedDocument:
		case 0:
			return "", false, true
		case bson.TypeNull, bson.TypeUndefined:
			return path[:i], true, true
		case bson.TypeArray: // only $each sets elements, and what is within
			if place, _, _ := strings.Cut(path[i+1:], "."); !isDecimal([]byte(place)) {
				return "", false, false
			}
		default:
			return path[:i], false, false
		}
	}
	return "", false, true
}

func (o *object) match(v *node) int {
	if v == nil || v.kind != nodeObject {
		return 0
	}
	if o.filling == constant {
		if agrees(o, v) {
			return 2
		}
		return 0
	}
	best, refers, differs := 0, false, false
	for i := range o.members {
		m := &o.members[i]
		child := v.member(m.elem.Member)
		if m.lens.fill() == constant {
			differs = differs || !agrees(m.lens, child)
			continue
		}
		if _, follows := m.lens.(derived); follows || child == nil {
			continue
		}
		fit := m.lens.match(child)
		if _, isRef := m.lens.(*reference); isRef {
			if fit == 0 {
				return 0
			}
			refers = true
		}
		best = max(best, fit)
	}
	switch {
	case best == 0, differs && !refers:
		return 0
	case differs:
		return 1
	}
	return best
}

// agrees reports whether v says what a constant says. A display or a text that v does
// not have is no difference.
func agrees(l lens, v *node) bool {
	switch l := l.(type) {
	case *literal:
		return v != nil && (v.text == l.value || v.kind == nodeNumber && sameNumber(v.text, l.value))
	case *object:
		if v == nil || v.kind != nodeObject {
			return false
		}
		for i := range l.members {
			m := &l.members[i]
			child := v.member(m.elem.Member)
			switch {
			case l.typ == "Coding" && m.elem.Member == "display":
			case child == nil && l.typ == "CodeableConcept" && m.elem.Member == "text":
			case !agrees(m.lens, child):
				return false
			}
		}
		return true
	case *list:
		if v == nil {
			return false
		}
		for _, item := range l.items {
			if !slices.ContainsFunc(v.items, func(n *node) bool { return agrees(item, n) }) {
				return false
			}
		}
		return true
	}
	return false
}

func (o *object) put(w *writer, f *frame, v *node, at string) {
	if v != nil && v.kind != nodeObject {
		w.mismatch(at)
		return
	}
	for i := range o.members {
		m := &o.members[i]
		child := v.member(m.elem.Member)
		if child != nil && o.absent(m, child) {
			child = nil
		}
		if child == nil && m.lens.fill() == constant || child == nil && o.hides(w, f, m) {
			continue
		}
		if _, single := m.lens.(*literal); !single && m.lens.fill() == constant && o.filling != constant {
			if !agrees(m.lens, child) {
				w.fail(fhir.CodeBusinessRule, at+"."+m.elem.Member, "This is always %s here.", brief(w.current(m.lens, f)))
				continue
			}
		}
		outer, before := w.rule, len(w.set)+len(w.unset)
		if m.rule != nil {
			w.rule = m.rule
		}
		m.lens.put(w, f, child, at+"."+m.elem.Member)
		if o.root && len(w.set)+len(w.unset) > before {
			w.touched(m, f, at)
		}
		w.rule = outer
		if lit, ok := m.lens.(*literal); ok && o.typ == "Coding" && m.elem.Member == "display" && child != nil {
			child.text = lit.value
		}
	}
}

// absent reports whether v is what is written where the document has no value for m.
func (o *object) absent(m *member, v *node) bool {
	for i := range o.members {
		key, text, ok := bytes.Cut(o.members[i].missing, []byte(":"))
		if ok && string(key) == strconv.Quote(m.elem.Member) {
			n, err := parseNode(text, nil)
			return err == nil && same(n, v)
		}
	}
	return false
}

// brief gives a constant for a message: the codes in it, or all.
func brief(n *node, _ state) string {
	if codes := n.codes(nil); len(codes) > 0 {
		return strings.Join(codes, " and ")
	}
	return shown(n)
}

// codes lists the codes of the codings in a value.
func (n *node) codes(out []string) []string {
	if n == nil {
		return out
	}
	if code := n.member("code"); code != nil && code.kind == nodeText {
		out = append(out, strings.TrimPrefix(n.member("system").string()+"|"+code.text, "|"))
	}
	for _, m := range n.members {
		out = m.node.codes(out)
	}
	for _, item := range n.items {
		out = item.codes(out)
	}
	return out
}

// hides reports whether another variant of the choice stands in front of m, so that
// nobody saw what m has.
func (o *object) hides(w *writer, f *frame, m *member) bool {
	return slices.ContainsFunc(m.before, func(i int) bool {
		_, st := w.current(o.members[i].lens, f)
		return st != absent
	})
}

// touched holds a change of an element of the resource against what its rule says
// about writing.
func (w *writer) touched(m *member, f *frame, at string) {
	if _, st := w.current(m.lens, f); m.rule.Once && st == stored {
		w.fail(fhir.CodeBusinessRule, at+"."+m.elem.Member, "This is written once and cannot be changed any more.")
	}
	w.changed = append(w.changed, m.rule)
}

func (d derived) match(v *node) int { return d.lens.match(v) }

// put writes nothing: the value follows from what other rules write. What a client
// read before, it may send back.
func (d derived) put(w *writer, f *frame, v *node, _ string) {
	if v == nil {
		return
	}
	if now, st := w.current(d.lens, f); st != absent && same(now, v) {
		v.echo = true
	}
}

func (l *literal) match(v *node) int {
	if agrees(l, v) {
		return 2
	}
	return 0
}

func (l *literal) put(w *writer, _ *frame, v *node, at string) {
	if v != nil && !agrees(l, v) && !strings.HasSuffix(at, ".display") {
		w.fail(fhir.CodeBusinessRule, at, "This is always %s here.", l.json)
	}
}
