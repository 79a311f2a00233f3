package sqlite

import (
	"bytes"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// Bounds of what the planner looks at.
const (
	maxAccesses = 16   // ways to answer one query
	maxLanes    = 5000 // that are merged
)

// access is one way to find all documents that a query can match: the entries
// of an index that lie in some spans, or the whole table (ix is nil).
type access struct {
	ix    *index
	lanes []lane
	pins  [][]byte // for each leading key with one value per lane: its key where all lanes share it
	used  []bool   // conditions that the spans imply exactly
	by    []int    // constraints that narrow the spans
	bound bool     // there is one

	ordered bool   // its entries come in the query's order
	down    bool   // by walking backwards
	tied    bool   // but for documents with the same keys, which are in no order
	partial bool   // the first key of the order is within; an entry counts where it is the document's position
	dedupe  bool   // a document may have several of the entries
	multi   uint64 // ix.multi as this plan assumes it
}

// lane is a sequence of disjoint ascending spans that share a prefix: the keys
// to which an equality pins them. Lanes are merged by what follows it.
type lane struct {
	prefix []byte
	spans  []span
}

// planner finds the accesses for one query.
type planner struct {
	coll  *collection
	order []store.Key // complete
	conds []store.Filter
	cons  []constraint
	found []access
}

func newPlanner(coll *collection, q store.Query) *planner {
	p := &planner{coll: coll, order: store.CompleteOrder(q.Order), conds: conditions(q.Where)}
	p.cons = constraints(p.conds)
	p.through(coll.byKey)
	for _, ix := range coll.indexes {
		p.through(ix)
		p.partially(ix)
	}
	return p
}

// through adds the accesses through ix.
func (p *planner) through(ix *index) {
	p.pin(access{ix: ix, multi: ix.multi.Load(), used: make([]bool, len(p.conds))}, [][]byte{nil})
}

// pin extends the prefixes by the values of the next key wherever a condition
// gives some, and finishes the access where none does.
func (p *planner) pin(a access, prefixes [][]byte) {
	extended := false
	if i := len(a.pins); i < len(a.ix.keys) {
		key := a.ix.keys[i]
		for j := range p.cons {
			c := &p.cons[j]
			if !c.points || c.path != key.Path || len(prefixes)*len(c.pieces) > maxLanes {
				continue
			}
			spans := c.spans(key.Desc, false)
			if len(spans) > 1 && i == len(a.ix.keys)-1 && p.orders(&a, key) {
				continue // one after another they are in order
			}
			extended = true
			var shared []byte
			if len(spans) == 1 {
				shared = spans[0].low
			}
			next := a
			next.pins = append(slices.Clone(a.pins), shared)
			p.use(&next, j)
			p.pin(next, product(prefixes, spans))
		}
	}
	if len(p.found) < maxAccesses {
		p.finish(a, prefixes, extended)
	}
}

// use notes that p.cons[j] narrows the spans.
func (p *planner) use(a *access, j int) {
	a.by, a.bound = append(slices.Clip(a.by), j), true
	if c := &p.cons[j]; c.exact {
		a.used = slices.Clone(a.used)
		a.used[c.leaf] = true
	}
}

func product(prefixes [][]byte, spans []span) [][]byte {
	list := make([][]byte, 0, len(prefixes)*len(spans))
	for _, p := range prefixes {
		for _, s := range spans {
			list = append(list, append(bytes.Clone(p), s.low...))
		}
	}
	return list
}

// finish adds the accesses with these prefixes: one for each range that a
// condition puts on the next key, or else one with all that follows. When the prefixes
// were also extended by values of that key, only other ranges are of use.
func (p *planner) finish(a access, prefixes [][]byte, extended bool) {
	ranged := extended
	if i := len(a.pins); i < len(a.ix.keys) {
		key := a.ix.keys[i]
		for j := range p.cons {
			c := &p.cons[j]
			if c.path != key.Path || extended && c.points && len(prefixes)*len(c.pieces) <= maxLanes {
				continue
			}
			b := a
			p.use(&b, j)
			b.lanes = lanes(prefixes, c.spans(key.Desc, a.several(i)))
			p.add(b)
			ranged = true
		}
	}
	if ranged {
		return
	}
	a.lanes = make([]lane, len(prefixes))
	for i, prefix := range prefixes {
		end := []byte{0xFF}
		if len(prefix) > 0 {
			end = after(prefix)
		}
		a.lanes[i] = lane{prefix, []span{{prefix, end}}}
	}
	p.add(a)
}

// several reports whether some document has several values of key i.
func (a *access) several(i int) bool { return a.multi&(1<<i) != 0 }

func lanes(prefixes [][]byte, spans []span) []lane {
	list := make([]lane, len(prefixes))
	for i, prefix := range prefixes {
		list[i] = lane{prefix: prefix, spans: make([]span, len(spans))}
		for j, s := range spans {
			list[i].spans[j] = span{
				append(bytes.Clone(prefix), s.low...),
				append(bytes.Clone(prefix), s.high...),
			}
		}
	}
	return list
}

// add completes an access and keeps it if it is of use.
func (p *planner) add(a access) {
	// A sparse index lacks documents, except for those with a value that a
	// condition asks for.
	if a.ix.def.Sparse && !a.bound {
		return
	}
	for i := range a.ix.keys {
		if a.several(i) && (i >= len(a.pins) || a.pins[i] == nil) {
			a.dedupe = true
		}
	}
	a.ordered, a.down, a.tied = p.inOrder(&a)
	if a.ordered || a.bound {
		p.found = append(p.found, a)
	}
}

// inOrder reports whether the entries of a come in the query's order, and
// whether backwards. Keys that have the same value in all documents found do
// not count; a key with several values in one document does not order it. Entries
// of a loose index are in order but for the _id.
func (p *planner) inOrder(a *access) (ordered, down, tied bool) {
	have := a.ix.keys[len(a.pins):]
	n := 0
	for _, k := range p.order {
		if _, ok := a.constant(k); ok {
			continue
		}
		if a.ix.def.Loose && n > 0 && n == len(have) && k.Path == "_id" {
			return true, down, true
		}
		if n == len(have) || k.Within != nil || have[n].Path != k.Path || a.several(len(a.pins)+n) {
			return false, false, false
		}
		backwards := have[n].Desc != k.Desc
		if n > 0 && backwards != down {
			return false, false, false
		}
		down = backwards
		n++
	}
	return true, down, false
}

// partially adds the access through ix that has the order of a key with Within:
// a lane for each stretch.
func (p *planner) partially(ix *index) {
	first := p.order[0]
	if w := first.Within; w == nil || !w.Required || ix.def.Sparse || len(w.Stretches) > maxLanes ||
		ix.keys[0].Path != first.Path || ix.keys[0].Desc {
		return
	}
	a := access{ix: ix, multi: ix.multi.Load(), used: make([]bool, len(p.conds)), ordered: true, partial: true, down: first.Desc, dedupe: true}
	n := 1
	for _, k := range p.order[1:] {
		if n == len(ix.keys) {
			a.tied = ix.def.Loose && k.Path == "_id"
			if !a.tied {
				return
			}
			break
		}
		if ix.keys[n].Path != k.Path || k.Within != nil || a.several(n) || (ix.keys[n].Desc != k.Desc) != a.down {
			return
		}
		n++
	}
	for _, st := range first.Within.Stretches {
		prefix := openString(st.Prefix)
		s := span{append(bytes.Clone(prefix), openString(st.Low)[1:]...), after(prefix)}
		if st.High != "" {
			s.high = append(bytes.Clone(prefix), openString(st.High)[1:]...)
		}
		a.lanes = append(a.lanes, lane{prefix, []span{s}})
	}
	p.found = append(p.found, a)
}

// openString gives the key of a string without its end.
func openString(s string) []byte {
	key := store.AppendKey(nil, store.String(s), false)
	return key[:len(key)-2]
}

// orders reports whether k is the first key of the order that is not constant.
func (p *planner) orders(a *access, k store.Key) bool {
	for _, o := range p.order {
		if _, ok := a.constant(o); !ok {
			return o.Path == k.Path
		}
	}
	return false
}

// constant gives the key, in k's direction, of the one value that all documents
// found have at k's path.
func (a *access) constant(k store.Key) ([]byte, bool) {
	if k.Within != nil {
		return nil, false
	}
	for i, pin := range a.pins {
		if pin == nil || a.ix.keys[i].Path != k.Path || a.several(i) {
			continue
		}
		if a.ix.keys[i].Desc != k.Desc {
			pin = bytes.Clone(pin)
			for j := range pin {
				pin[j] = ^pin[j]
			}
		}
		return pin, true
	}
	return nil, false
}

// whole reports whether the spans imply all conditions.
func (a *access) whole() bool {
	for _, used := range a.used {
		if !used {
			return false
		}
	}
	return true
}

// residual is what the conditions of f ask besides what the spans imply.
func (a *access) residual(f store.Filter) store.Filter {
	if a.ix == nil {
		return f
	}
	var rest store.And
	for i, c := range conditions(f) {
		if !a.used[i] {
			rest = append(rest, c)
		}
	}
	return rest
}

// startAfter clips the spans of an ordered access to what comes after the
// cursor, so that what came before is never read again.
func (p *planner) startAfter(a *access, cursor store.Cursor) {
	for i := range a.lanes {
		l := &a.lanes[i]
		edge, inclusive := p.edge(a, l, cursor)
		// All entries that start with edge lie on one side.
		if inclusive == a.down {
			edge = after(edge)
		}
		clipped := l.spans[:0]
		for _, s := range l.spans {
			if a.down {
				s.high = least(s.high, edge)
			} else {
				s.low = greatest(s.low, edge)
			}
			if bytes.Compare(s.low, s.high) < 0 {
				clipped = append(clipped, s)
			}
		}
		l.spans = clipped
	}
}

// edge gives the key in a lane at which the cursor stands, and whether the
// entries that start with it come after the cursor.
func (p *planner) edge(a *access, l *lane, cursor store.Cursor) (key []byte, inclusive bool) {
	key = bytes.Clone(l.prefix)
	n := len(a.pins)
	for i, k := range p.order {
		if k.Within != nil {
			if cursor[i].Type != bson.TypeString {
				return after(key), true // behind all that have such a string
			}
			key = append(key, store.AppendKey(nil, cursor[i], false)[1:]...)
			n++
			continue
		}
		if pin, ok := a.constant(k); ok {
			// Where the constant differs from the cursor's value it decides.
			if c := bytes.Compare(pin, store.AppendKey(nil, cursor[i], k.Desc)); c != 0 {
				return key, c > 0
			}
			continue
		}
		if n == len(a.ix.keys) {
			return key, true // of those with the same keys some may come after
		}
		key = store.AppendKey(key, cursor[i], a.ix.keys[n].Desc)
		n++
	}
	return key, false
}

func least(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return a
	}
	return b
}

func greatest(a, b []byte) []byte {
	if bytes.Compare(a, b) > 0 {
		return a
	}
	return b
}

// cost estimates how many documents a has to look at. n is how many entries it
// has, least the fewest of any access, size the collection's.
func (a *access) cost(n, least, size float64, limit int) float64 {
	most := n
	if !a.bound {
		most = size
	}
	switch {
	case !a.ordered:
		return most * 1.25 // and sorting
	case limit == 0:
		return most
	case a.whole():
		return math.Min(most, float64(limit))
	}
	// Of most entries least match, spread evenly for all we know.
	return math.Min(most, float64(limit)*most/math.Max(least, 1)*1.5)
}
