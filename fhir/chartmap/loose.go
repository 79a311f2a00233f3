package chartmap

import (
	"context"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// What differs from element to element, and what groups of documents have in common, is in no
// order that a store knows. A search that is sorted by such a field reads all that it may find,
// if that is not much: one patient's allergies, one patient's reports.

// maxLoose and maxLooseBytes bound how many documents are read to be sorted, and how large all is that the
// rules read of them.
const (
	maxLoose      = 1000
	maxLooseBytes = 8 << 20
)

// ranked is something that a search found, and where it stands in the order.
type ranked struct {
	item   unwound
	values []store.Value
}

// loosely reports whether the store has no order for one of the keys of a stream.
func (s *stream) loosely() bool {
	return s.viewed() && slices.ContainsFunc(s.keys, func(k streamKey) bool {
		return k.path != "" && k.path != s.key().path && s.moves(k.path)
	})
}

// rank gives where an item stands in the order of the search.
func (s *stream) rank(item unwound) []store.Value {
	out := make([]store.Value, 0, len(s.keys)+1)
	for _, k := range s.keys {
		v := k.value
		if k.path != "" {
			v = k.given(store.Lookup(item.doc, k.path))
		}
		out = append(out, v)
	}
	return append(out, store.Lookup(item.doc, s.key().path))
}

// gather reads all of a stream, and sorts what comes behind a position.
func (c *cursor) gather(ctx context.Context, by ordering, start position) error {
	unsorted := *c.stream
	unsorted.keys, unsorted.loose = nil, false
	all := c.repo.cursor(c.e, &unsorted, readBatch)
	size := 0
	for err := all.settle(ctx); err != nil || len(all.items) > 0; err = all.settle(ctx) {
		if err != nil {
			return err
		}
		size += len(all.items[0].doc)
		if all.read > maxLoose || size > maxLooseBytes {
			return fhir.Errorf(fhir.CodeTooCostly, "http.query._sort", "%s is sorted by this among at most %d documents of the EHR. Ask for those of one patient.", c.Resource, maxLoose)
		}
		c.queue = append(c.queue, ranked{all.items[0], c.rank(all.items[0])})
		all.items = all.items[1:]
	}
	slices.SortStableFunc(c.queue, func(a, b ranked) int {
		if n := by.compare(a.values, b.values); n != 0 {
			return n
		}
		return store.Compare(a.item.at, b.item.at)
	})
	if start.at == nil {
		c.take(0)
		return nil
	}
	for ; len(c.queue) > 0; c.queue = c.queue[1:] {
		place := by.compare(c.queue[0].values, start.at)
		if place == 0 {
			place = c.beside(c.queue[0].item, start)
		}
		switch {
		case place > 0:
			c.take(0)
			return nil
		case place == 0: // further branches of the very element
			c.take(slices.IndexFunc(c.parts, func(p part) bool { return p.number > start.branch }))
			return nil
		}
	}
	return nil
}

// beside says whether an item of a document that ended the last page comes before or behind
// that page's end; 0 when some of its branches do.
func (c *cursor) beside(item unwound, start position) int {
	switch {
	case c.parts[0].number > start.branch: // it was another map's document
		return 1
	case c.lastBranch() < start.branch:
		return -1
	}
	n := store.Compare(item.at, start.elem)
	if n == 0 && c.lastBranch() == start.branch {
		return -1
	}
	return n
}

// take makes the first of the queue that becomes a resource the head; of the very first, parts
// count from the given one on.
func (c *cursor) take(from int) {
	c.items = nil
	for ; len(c.queue) > 0; from = 0 {
		first := c.queue[0]
		c.queue = c.queue[1:]
		if c.part = c.fit(first.item.doc, from); c.part >= 0 {
			c.plain[0], c.head = first.item, first.values
			c.items = c.plain[:]
			return
		}
	}
}
