package chartmap

import (
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

func (l *list) match(v *node) int { return fits(v) }

// put gives each item the rule that it is meant for. What no rule takes is left for
// whoever compares.
func (l *list) put(w *writer, f *frame, v *node, at string) {
	items, ok := w.items(v, at)
	if !ok {
		return
	}
	taken := make([]int, len(items)) // 1 + the rule that takes the item
	for fit := 2; fit > 0; fit-- {
		l.share(w, f, items, taken, fit)
	}
	if len(l.items) == 1 && !l.slots && len(items) > 0 && !slices.Contains(taken, 1) {
		taken[0] = 1 // its rule says why it does not take it
	}
	for n, item := range l.items {
		if many, ok := item.(*repeated); ok {
			many.putItems(w, f, items, at, func(i int) bool { return taken[i] == n+1 })
			continue
		}
		i := slices.Index(taken, n+1)
		switch {
		case i >= 0:
			item.put(w, f, items[i], at+"["+strconv.Itoa(i)+"]")
		case item.fill() != constant:
			item.put(w, f, nil, at)
		}
	}
}

// items gives the items of a list; none for nothing.
func (w *writer) items(v *node, at string) ([]*node, bool) {
	switch {
	case v == nil:
		return nil, true
	case v.kind != nodeList:
		w.mismatch(at)
		return nil, false
	}
	return v.items, true
}

// share assigns the items that are still free to rules that they fit as well as is
// asked: first where they stand now, then in order. In a list without slots, as many
// items as there are now keep to the fields that have a value.
func (l *list) share(w *writer, f *frame, items []*node, taken []int, fit int) {
	now := make([]*node, len(l.items))
	count := 0
	for n, item := range l.items {
		if _, many := item.(*repeated); !many {
			if now[n], _ = w.current(item, f); now[n] != nil {
				count++
			}
		}
	}
	assign := func(wanted func(n, i int) bool) {
		for i, v := range items {
			for n, item := range l.items {
				_, many := item.(*repeated)
				if taken[i] == 0 && (many || !slices.Contains(taken, n+1)) && wanted(n, i) && item.match(v) == fit {
					taken[i] = n + 1
				}
			}
		}
	}
	if l.slots {
		assign(func(n, i int) bool { return same(now[n], items[i]) })
	} else if count == len(items) {
		assign(func(n, _ int) bool { return now[n] != nil })
	}
	assign(func(_, _ int) bool { return true })
}

func (r *repeated) match(v *node) int {
	if v != nil && v.kind == nodeList {
		return fits(v)
	}
	return r.item.match(v)
}

func (r *repeated) put(w *writer, f *frame, v *node, at string) {
	items, ok := w.items(v, at)
	if !ok {
		return
	}
	r.putItems(w, f, items, at, func(i int) bool { return r.takes(items[i]) })
}

// takes reports whether an item is for the array's elements, though it may then turn out to be wrong. An object
// with other constants, or with nothing but constants, is not.
func (r *repeated) takes(v *node) bool {
	o, ok := r.item.(*object)
	if !ok || r.item.match(v) > 0 {
		return true
	}
	concerns := false
	for i := range o.members {
		m := &o.members[i]
		child := v.member(m.elem.Member)
		if m.lens.fill() == constant {
			if !agrees(m.lens, child) {
				return false
			}
			continue
		}
		if _, follows := m.lens.(derived); !follows && child != nil {
			concerns = true
		}
	}
	return concerns
}

// place is one element of an array.
type place struct {
	raw bson.RawValue
	now *node // what is made of it; nil when it is hidden
	to  int   // the item that it becomes; -1 for none
}

// putItems makes an array of the items that are its own. Elements keep what no rule
// reads; those that nobody sees, since no rule can read them, stay where they are.
func (r *repeated) putItems(w *writer, f *frame, items []*node, at string, own func(int) bool) {
	array := f.value(r.ref)
	var wanted []int
	for i := range items {
		if own(i) {
			wanted = append(wanted, i)
		}
	}
	if array.Type != 0 && array.Type != bson.TypeArray {
		if len(wanted) > 0 {
			w.fail(fhir.CodeBusinessRule, at, "What the EHR has here is no list. It must be put right there first.")
		}
		return
	}
	elements := r.elements(w, array)
	pair(elements, items, wanted)
	var out []becoming
	changed := false
	hidden := func(k int) { // elements that stay behind element k
		for k++; k < len(elements) && elements[k].now == nil; k++ {
			out = append(out, becoming{elements[k].raw, k})
		}
	}
	hidden(-1)
	next := 0
	for _, i := range wanted {
		k := slices.IndexFunc(elements, func(e place) bool { return e.to == i })
		raw := bson.RawValue{}
		if k >= 0 {
			raw = elements[k].raw
		}
		made, ok := r.putElement(w, raw, items[i], at+"["+strconv.Itoa(i)+"]")
		if !ok {
			return
		}
		if k < 0 && len(made.Value) == len(emptyDoc()) && made.Type == bson.TypeEmbeddedDocument {
			continue // nothing of it is kept here, and nobody would see the element
		}
		changed = changed || k < next || !sameValue(raw, made)
		out = append(out, becoming{made, k})
		if k >= 0 {
			next = k + 1
			hidden(k)
		}
	}
	for k, e := range elements {
		if e.now != nil && e.to < 0 {
			changed = true
			hidden(k)
		}
	}
	if changed {
		r.write(w, elements, out)
	}
}

// elements reads an array.
func (r *repeated) elements(w *writer, array bson.RawValue) []place {
	var out []place
	if array.Type != bson.TypeArray {
		return nil
	}
	eachElement(array.Value, func(v bson.RawValue) {
		inner := r.frame(v)
		now, _ := w.current(r.item, inner)
		out = append(out, place{raw: v, now: now, to: -1})
	})
	return out
}

// frame reads the fields of an element.
func (r *repeated) frame(v bson.RawValue) *frame {
	if v.Type == bson.TypeEmbeddedDocument {
		return r.inner.frame(store.Doc(v.Value))
	}
	return &frame{self: v, values: make([]bson.RawValue, len(r.inner.names))}
}

// pair finds which element each item was: an equal one, at the same place if there is one, else the
// one that it has most in common with; what is left, when it is as many on both sides, by its place.
func pair(elements []place, items []*node, wanted []int) {
	left := slices.Clone(wanted)
	take := func(i, k int) {
		elements[k].to = i
		left = slices.DeleteFunc(left, func(o int) bool { return o == i })
	}
	var seen []int
	for k, e := range elements {
		if e.now != nil {
			seen = append(seen, k)
		}
	}
	for n, k := range seen {
		if n < len(wanted) && same(elements[k].now, items[wanted[n]]) {
			take(wanted[n], k)
		}
	}
	for _, i := range slices.Clone(left) {
		if k := slices.IndexFunc(elements, func(e place) bool { return e.now != nil && e.to < 0 && same(e.now, items[i]) }); k >= 0 {
			take(i, k)
		}
	}
	for _, i := range slices.Clone(left) {
		best, most := -1, 0
		for k, e := range elements {
			if e.now == nil || e.to >= 0 {
				continue
			}
			if n := shared(e.now, items[i]); n > most {
				best, most = k, n
			}
		}
		if best >= 0 {
			take(i, best)
		}
	}
	var free []int
	for k, e := range elements {
		if e.now != nil && e.to < 0 {
			free = append(free, k)
		}
	}
	if len(free) == len(left) {
		for n, i := range slices.Clone(left) {
			take(i, free[n])
		}
	}
}

// shared counts the values that two nodes have in common.
func shared(a, b *node) int {
	if a == nil || b == nil || a.kind != b.kind {
		return 0
	}
	n := 0
	switch a.kind {
	case nodeObject:
		for _, m := range a.members {
			n += shared(m.node, b.member(m.name))
		}
	case nodeList:
		for i := range min(len(a.items), len(b.items)) {
			n += shared(a.items[i], b.items[i])
		}
	default:
		if same(a, b) {
			n = 1
		}
	}
	return n
}

// putElement makes an element of an item; raw is what it was, or nothing.
func (r *repeated) putElement(w *writer, raw bson.RawValue, v *node, at string) (bson.RawValue, bool) {
	inner := &writer{get: w.get, doc: emptyDoc(), scope: r.inner, self: w.self, isNew: raw.Type == 0, issues: w.issues, rule: w.rule}
	if raw.Type == bson.TypeEmbeddedDocument {
		inner.doc = store.Doc(raw.Value)
	}
	before := len(*w.issues)
	r.item.put(inner, r.frame(raw), v, at)
	if len(*w.issues) > before {
		return raw, false
	}
	if inner.whole != nil {
		return *inner.whole, true
	}
	if len(inner.set)+len(inner.unset)+len(inner.later) == 0 && raw.Type != 0 {
		return raw, true
	}
	doc, ok := inner.finish(at)
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, ok
}

func sameValue(a, b bson.RawValue) bool {
	return a.Type == b.Type && slices.Equal(a.Value, b.Value)
}
