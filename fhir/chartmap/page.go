package chartmap

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// position is the place of the last resource of a page: in the order of the search,
// then by the element of an array, then by branch.
type position struct {
	branch int
	elem   store.Value   // missing where the document is not unwound
	at     []store.Value // its sort values, and the key of its document; nil before the first
}

const maxCursor = 4 << 10

func badCursor() error {
	return fhir.Errorf(fhir.CodeInvalid, "http.query._cursor", "This is not a page of this search.")
}

// String writes a position for Page.Next.
func (p position) String() string {
	at := store.Cursor(p.at)
	if !store.Missing(p.elem) {
		at = append(slices.Clone(at), p.elem)
	}
	b := binary.AppendUvarint(nil, uint64(p.branch))
	return base64.RawURLEncoding.EncodeToString(append(b, at.Marshal()...))
}

// parsePosition reads what String wrote, and refuses what does not fit the order.
func parsePosition(s string, by ordering) (position, error) {
	if s == "" {
		return position{branch: -1}, nil
	}
	if len(s) > maxCursor {
		return position{}, badCursor()
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 2 {
		return position{}, badCursor()
	}
	number, n := binary.Uvarint(b)
	if n <= 0 || number > 1<<16 {
		return position{}, badCursor()
	}
	p := position{branch: int(number)}
	at, err := store.UnmarshalCursor(b[n:])
	if err != nil {
		return position{}, badCursor()
	}
	if p.at = at; len(at) == len(by)+1 {
		p.elem, p.at = at[len(by)], at[:len(by)]
	}
	if len(p.at) != len(by) {
		return position{}, badCursor()
	}
	return p, nil
}

// page merges the streams from a position on.
func (r *Repository) page(ctx context.Context, plan []*stream, by ordering, from position, count int) ([]fhir.Resource, string, error) {
	var out []fhir.Resource
	var origins []made
	e := r.borrow()
	defer r.encoders.Put(e)
	at := from
	m := r.merge(e, plan, by, from, count+1)
	for {
		c, err := m.least(ctx)
		if err != nil {
			return nil, "", err
		}
		if c == nil {
			return out, "", r.overlaid(ctx, e, out, origins)
		}
		b := c.parts[c.part].branch
		doc := c.items[0].doc
		res, whole := r.recallItem(e, b, c.items[0])
		ok := whole
		if !whole {
			res, ok = e.encode(b, doc)
		}
		if ok && len(out) == count {
			return out, at.String(), r.overlaid(ctx, e, out, origins)
		}
		at = position{branch: b.number, elem: c.items[0].at, at: c.head}
		if ok {
			origin := made{branch: b, doc: doc, whole: whole}
			if !whole {
				origin.faults = slices.Clone(e.faults)
			}
			out, origins = append(out, res), append(origins, origin)
		}
		if err := c.next(ctx); err != nil {
			return nil, "", err
		}
	}
}

// made is what a resource was made of.
type made struct {
	branch *branch
	doc    store.Doc
	whole  bool // with what is beside it
	faults []Fault
}

// overlaid puts on the resources of a page what the EHR has no place for.
func (r *Repository) overlaid(ctx context.Context, e *encoder, page []fhir.Resource, of []made) error {
	var keys []fhir.Key
	for i, res := range page {
		if of[i].branch.keepsUnmapped() && !of[i].whole {
			keys = append(keys, res.Key)
		}
	}
	overlays, err := r.layers(ctx, keys)
	if err != nil {
		return err
	}
	e.report = nil // was told
	for i, res := range page {
		if of[i].whole {
			continue
		}
		if o := overlays[res.Key]; o != nil {
			page[i], _ = e.render(of[i].branch, of[i].doc, o)
		}
		r.cache.keep(of[i].branch, of[i].doc, page[i], of[i].faults)
	}
	return nil
}

// merger merges the streams of a plan.
type merger struct {
	by      ordering
	start   position
	cursors []*cursor // in the order of their branches
}

// cursor walks one stream.
type cursor struct {
	*stream
	repo   *Repository
	e      *encoder
	filter store.Filter
	queue  []ranked      // of a loose stream, what comes behind items
	docs   []store.Doc   // of the store; for a map with groupBy, what the rules read of groups
	items  []unwound     // of docs[0], those that are left; the first of them satisfies part
	open   bool          // items are those of docs[0]
	plain  [1]unwound    // room for items
	part   int           // of items[0]
	head   []store.Value // where docs[0] stands
	after  store.Cursor  // position of the last document that was fetched
	batch  int
	left   int  // documents, or groups, that are needed at most if each becomes a resource; then it is batch again
	read   int  // documents, so far
	vain   int  // of them, those that gave nothing
	gave   bool // docs[0] gave something
	opened bool // it was looked what comes first
	done   bool // nothing is left in the store
}

// merge gives the streams from a position on.
func (r *Repository) merge(e *encoder, plan []*stream, by ordering, start position, count int) *merger {
	m := &merger{by: by, start: start}
	for _, s := range plan {
		c := r.cursor(e, s, s.batch(count))
		c.left = count
		m.cursors = append(m.cursors, c)
	}
	return m
}

// cursor gives a cursor before the first document.
func (r *Repository) cursor(e *encoder, s *stream, batch int) *cursor {
	return &cursor{stream: s, repo: r, e: e, filter: s.upper(), batch: batch}
}

// open fetches what stands first behind the start.
func (m *merger) open(ctx context.Context, c *cursor) error {
	c.opened = true
	if c.loose {
		return c.gather(ctx, m.by, m.start)
	}
	if m.start.at != nil {
		after, exact, some := c.behind(m.by, m.start.at)
		if !some {
			c.done = true
			return nil
		}
		c.after = after
		if exact && c.lastBranch() >= m.start.branch {
			if err := c.tie(ctx, m.by, m.start); err != nil || len(c.items) > 0 {
				return err
			}
		}
	}
	return c.settle(ctx)
}

// batch is how many documents to ask for when count resources are wanted. Of a
// fan-out about half of the branches, we expect, make something of a document, and of an array a few
// elements; if it is less, more documents are asked for later.
func (s *stream) batch(count int) int {
	if s.each != nil {
		return count/4 + 1
	}
	return count*2/(len(s.parts)+1) + 1
}

// least gives the cursor whose head comes first, or nil. Cursors stand in the
// order of their branches, so the first of equals is the right one. Those that cannot come
// first yet, since all they have has one and the same first sort value, are not opened.
func (m *merger) least(ctx context.Context) (*cursor, error) {
	for {
		var best *cursor
		for _, c := range m.cursors {
			if len(c.items) > 0 && (best == nil || m.by.compare(c.head, best.head) < 0) {
				best = c
			}
		}
		c := m.unopened()
		if c == nil || best != nil && c.constant() && m.by.one(0, c.keys[0].value, best.head[0]) > 0 {
			return best, nil
		}
		if err := m.open(ctx, c); err != nil {
			return nil, err
		}
	}
}

// constant reports whether the first sort value of all documents is the same.
func (s *stream) constant() bool { return len(s.keys) > 0 && s.keys[0].path == "" }

// unopened gives the cursor to open next: those of which nothing is known, then by their
// first sort value.
func (m *merger) unopened() *cursor {
	var first *cursor
	for _, c := range m.cursors {
		switch {
		case c.opened:
		case !c.constant():
			return c
		case first == nil || m.by.one(0, c.keys[0].value, first.keys[0].value) < 0:
			first = c
		}
	}
	return first
}

// tie fetches the document that stands exactly at a position, for the elements and branches
// behind those that ended the page before.
func (c *cursor) tie(ctx context.Context, by ordering, start position) error {
	behind := slices.IndexFunc(c.parts, func(p part) bool { return p.number > start.branch })
	if behind < 0 && c.each == nil {
		return nil
	}
	docs, err := c.at(ctx, by, start.at)
	if err != nil {
		return err
	}
	c.docs = docs
	for ; len(c.docs) > 0; c.docs = c.docs[1:] {
		c.unfold()
		for ; len(c.items) > 0; c.items = c.items[1:] {
			from, rank := behind, store.Compare(c.items[0].at, start.elem)
			switch {
			case !c.where.match(c.items[0].doc):
				continue
			case c.parts[0].number > start.branch: // it was another map's document
			case rank < 0, rank == 0 && behind < 0:
				continue
			case rank > 0:
				from = 0
			}
			if c.part = c.fit(c.items[0].doc, from); c.part >= 0 {
				c.head = start.at
				return nil
			}
		}
	}
	c.open = false
	return nil
}

// at fetches what stands exactly at a position.
func (c *cursor) at(ctx context.Context, by ordering, at []store.Value) ([]store.Doc, error) {
	if c.group != nil {
		return c.repo.groups(ctx, c.e, c.Mapping, []store.Value{at[len(at)-1]})
	}
	var docs []store.Doc
	where := store.Eq{Path: "_id", Value: at[len(at)-1]}
	for doc, err := range c.repo.Store.Find(ctx, store.Query{Collection: c.Collection, Where: where, Fields: c.fields}) {
		if err != nil {
			return nil, fmt.Errorf("searching %s: %w", c.Collection, err)
		}
		if by.compare(c.values(doc), at) == 0 {
			docs = append(docs, doc)
		}
	}
	return docs, nil
}

// unfold opens the first document.
func (c *cursor) unfold() {
	c.open = true
	if c.each != nil {
		c.items = c.e.items(c.Mapping, c.docs[0])
		return
	}
	c.plain[0].doc = c.docs[0]
	c.items = c.plain[:]
}

// fit gives the first part, not before from, whose condition holds for what the rules
// read; -1 if there is none.
func (c *cursor) fit(doc store.Doc, from int) int {
	if !c.sure() && !c.where.match(doc) {
		return -1
	}
	for i := from; i < len(c.parts); i++ {
		if c.parts[i].own.match(doc) {
			return i
		}
	}
	return -1
}

// sure reports whether the store finds precisely what the condition of the stream asks
// for.
func (c *cursor) sure() bool { return c.where.exact() && !c.viewed() }

// next drops the head: the resource that its part makes of the first item.
func (c *cursor) next(ctx context.Context) error {
	if i := c.fit(c.items[0].doc, c.part+1); i >= 0 {
		c.part = i
		return nil
	}
	if c.loose {
		c.take(0)
		return nil
	}
	c.items = c.items[1:]
	return c.settle(ctx)
}

// settle drops documents that are none of the stream's, and fetches more, until
// there is a head or the stream has ended.
func (c *cursor) settle(ctx context.Context) error {
	for {
		for len(c.docs) > 0 {
			if !c.open {
				c.unfold()
			}
			for ; len(c.items) > 0; c.items = c.items[1:] {
				if c.part = c.fit(c.items[0].doc, 0); c.part >= 0 {
					c.head, c.gave = c.values(c.docs[0]), true
					return nil
				}
			}
			c.docs, c.open = c.docs[1:], false
			if !c.gave {
				c.vain++
			}
			if c.gave = false; c.vain > maxVain && !c.exact() {
				return tooMuch(c.Resource)
			}
		}
		if c.done {
			return nil
		}
		if err := c.fetch(ctx); err != nil {
			return err
		}
	}
}

// fetch reads the next documents.
func (c *cursor) fetch(ctx context.Context) error {
	if c.group != nil {
		return c.fetchGroups(ctx)
	}
	limit := c.batch
	if c.each != nil && c.left > 0 {
		limit = min(limit, c.left)
		c.left -= limit
	}
	c.docs = make([]store.Doc, 0, limit)
	q := store.Query{Collection: c.Collection, Where: c.filter, Order: c.order, After: c.after, Limit: limit, Fields: c.fields}
	for doc, err := range c.repo.Store.Find(ctx, q) {
		if err != nil {
			return fmt.Errorf("searching %s: %w", c.Collection, err)
		}
		c.docs = append(c.docs, doc)
	}
	c.read += len(c.docs)
	c.done = len(c.docs) < limit
	if n := len(c.docs); n > 0 {
		c.after = store.Position(c.order, c.docs[n-1])
	}
	return nil
}
