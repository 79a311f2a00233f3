package sqlite

import (
	"bytes"
	"slices"

	"github.com/portico-fhir/portico/store"
)

// sorted finds the first documents of an order among many, in bounded memory:
// it keeps the first that are asked for, or that fit, and continues after them
// in another pass.
type sorted struct {
	order  []store.Key
	limit  int // 0: none
	most   int // documents that may be sorted; 0: any number
	budget int // bytes

	after  []byte // key after which the pass looks
	last   []byte // key beyond which there is nothing to keep
	items  []item
	size   int
	passes int
	more   bool // there may be more in another pass
	cut    bool // this pass has dropped some that are not beyond the limit
	seen   int  // documents in this pass
}

// item is a document's position, as a key, and its row.
type item struct {
	key []byte
	rid int64
}

const itemSize = 48 // bytes of an item besides its key, about

func newSorted(order []store.Key, q store.Query, budget int) *sorted {
	t := &sorted{order: order, limit: q.Limit, most: q.MaxSort, budget: budget, more: true}
	if q.After != nil {
		t.after = t.key(q.After)
	}
	return t
}

func (t *sorted) key(c store.Cursor) []byte {
	var key []byte
	for i, v := range c {
		key = store.AppendKey(key, v, t.order[i].Desc)
	}
	return key
}

// begin starts a pass.
func (t *sorted) begin() {
	t.passes++
	t.items, t.size, t.last, t.cut, t.seen = t.items[:0], 0, nil, false, 0
}

// add offers a document to the pass.
func (t *sorted) add(at store.Cursor, rid int64) error {
	if store.Lacks(t.order, at) {
		return nil
	}
	if t.seen++; t.most > 0 && t.seen > t.most {
		return store.ErrTooCostly
	}
	t.offer(t.key(at), rid)
	return nil
}

func (t *sorted) offer(key []byte, rid int64) {
	if t.after != nil && bytes.Compare(key, t.after) <= 0 || t.last != nil && bytes.Compare(key, t.last) > 0 {
		return
	}
	t.items = append(t.items, item{key, rid})
	t.size += len(key) + itemSize
	if t.limit > 0 && len(t.items) >= 2*t.limit+64 {
		t.keep(t.limit)
	}
	if t.size > t.budget && len(t.items) > 1 {
		t.cut = true
		t.keep(len(t.items) / 2)
	}
}

// keep drops all but the first n.
func (t *sorted) keep(n int) {
	t.sort()
	clear(t.items[n:])
	t.items = t.items[:n]
	t.last = t.items[n-1].key
	t.size = 0
	for _, it := range t.items {
		t.size += len(it.key) + itemSize
	}
}

func (t *sorted) sort() {
	slices.SortFunc(t.items, func(a, b item) int { return bytes.Compare(a.key, b.key) })
}

// end closes a pass: next gives what it found.
func (t *sorted) end() {
	t.sort()
	t.more = t.cut
	if n := len(t.items); n > 0 {
		t.after = t.items[n-1].key
	}
	slices.Reverse(t.items) // next takes from the end
}

// next gives the row of the next document of the pass.
func (t *sorted) next() (int64, bool) {
	n := len(t.items)
	if n == 0 {
		return 0, false
	}
	rid := t.items[n-1].rid
	t.items = t.items[:n-1]
	return rid, true
}
