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

// position is the place of the last resource of a page: in the order of its
// stream, then by the element of an array, then by branch.
type position struct {
	last   bool
	branch int
	elem   store.Value  // missing where the document is not unwound
	at     store.Cursor // nil before the first
}

const maxCursor = 4 << 10

func badCursor() error {
	return fhir.Errorf(fhir.CodeInvalid, "http.query._cursor", "This is not a page of this search.")
}

// String writes a position for Page.Next.
func (p position) String() string {
	b := []byte{0}
	if p.last {
		b[0] = 1
	}
	at := p.at
	if !store.Missing(p.elem) {
		b[0] |= 2
		at = append(slices.Clone(at), p.elem)
	}
	b = binary.AppendUvarint(b, uint64(p.branch))
	return base64.RawURLEncoding.EncodeToString(append(b, at.Marshal()...))
}

// parsePosition reads what String wrote, and refuses what does not fit the plan.
func parsePosition(s string, plan []*stream) (position, error) {
	if s == "" {
		return position{branch: -1}, nil
	}
	if len(s) > maxCursor {
		return position{}, badCursor()
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 2 || b[0] > 3 {
		return position{}, badCursor()
	}
	p := position{last: b[0]&1 == 1}
	number, n := binary.Uvarint(b[1:])
	if n <= 0 || number > 1<<16 {
		return position{}, badCursor()
	}
	p.branch = int(number)
	p.at, err = store.UnmarshalCursor(b[1+n:])
	if err != nil || p.at == nil {
		return position{}, badCursor()
	}
	if b[0]&2 != 0 {
		p.elem, p.at = p.at[len(p.at)-1], p.at[:len(p.at)-1]
	}
	for _, s := range plan {
		if s.last == p.last && len(s.order) != len(p.at) {
			return position{}, badCursor()
		}
	}
	return p, nil
}

// page merges the streams from a position on.
func (r *Repository) page(ctx context.Context, plan []*stream, from position, count int) ([]fhir.Resource, string, error) {
	var out []fhir.Resource
	var origins []made
	e := r.borrow()
	defer r.encoders.Put(e)
	at := from
	for _, last := range []bool{false, true} {
		if from.last && !last {
			continue
		}
		start := position{last: last, branch: -1}
		if last == from.last {
			start = from
		}
		m, err := r.merge(ctx, e, plan, start, last, count+1)
		if err != nil {
			return nil, "", err
		}
		for {
			c := m.least()
			if c == nil {
				break
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
			at = position{last: last, branch: b.number, elem: c.items[0].at, at: c.head}
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
	return out, "", r.overlaid(ctx, e, out, origins)
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

// merger holds the streams of one part of a plan.
type merger struct{ cursors []*cursor }

// cursor walks one stream.
type cursor struct {
	*stream
	repo   *Repository
	e      *encoder
	filter store.Filter
	docs   []store.Doc  // of the store; for a map with groupBy, what the rules read of groups
	items  []unwound    // of docs[0], those that are left; the first of them satisfies part
	open   bool         // items are those of docs[0]
	plain  [1]unwound   // room for items
	part   int          // of items[0]
	head   store.Cursor // position of docs[0]
	after  store.Cursor // position of the last document that was fetched
	batch  int
	done   bool // nothing is left in the store
}

func (r *Repository) merge(ctx context.Context, e *encoder, plan []*stream, start position, last bool, count int) (*merger, error) {
	m := &merger{}
	for _, s := range plan {
		if s.last != last {
			continue
		}
		c := r.cursor(e, s, start.at, s.batch(count))
		if start.at != nil && s.lastBranch() >= start.branch {
			if err := c.tie(ctx, start); err != nil {
				return nil, err
			}
		}
		if len(c.items) == 0 {
			if err := c.settle(ctx); err != nil {
				return nil, err
			}
		}
		m.cursors = append(m.cursors, c)
	}
	return m, nil
}

// cursor gives a cursor behind a position.
func (r *Repository) cursor(e *encoder, s *stream, after store.Cursor, batch int) *cursor {
	return &cursor{stream: s, repo: r, e: e, filter: s.upper(), after: after, batch: batch}
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
// order of their branches, so the first of equals is the right one.
func (m *merger) least() *cursor {
	var best *cursor
	for _, c := range m.cursors {
		if len(c.items) > 0 && (best == nil || compareHeads(c, best) < 0) {
			best = c
		}
	}
	return best
}

// compareHeads compares by the order that all streams of a search share, path
// names aside.
func compareHeads(a, b *cursor) int { return store.ComparePositions(a.order, a.head, b.head) }

// tie fetches the document that stands exactly at a position, for the elements and branches
// behind those that ended the page before.
func (c *cursor) tie(ctx context.Context, start position) error {
	behind := slices.IndexFunc(c.parts, func(p part) bool { return p.number > start.branch })
	if behind < 0 && c.each == nil {
		return nil
	}
	docs, err := c.at(ctx, start.at)
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
func (c *cursor) at(ctx context.Context, at store.Cursor) ([]store.Doc, error) {
	if c.group != nil {
		return c.repo.groups(ctx, c.e, c.Mapping, []store.Value{at[len(at)-1]})
	}
	var docs []store.Doc
	where := store.Eq{Path: "_id", Value: at[len(at)-1]}
	for doc, err := range c.repo.Store.Find(ctx, store.Query{Collection: c.Collection, Where: where, Fields: c.fields}) {
		if err != nil {
			return nil, fmt.Errorf("searching %s: %w", c.Collection, err)
		}
		if store.ComparePositions(c.order, store.Position(c.order, doc), at) == 0 {
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
					c.head = c.position(c.docs[0])
					return nil
				}
			}
			c.docs, c.open = c.docs[1:], false
		}
		if c.done {
			return nil
		}
		if err := c.fetch(ctx); err != nil {
			return err
		}
	}
}

// position gives the place of a document in the stream.
func (s *stream) position(doc store.Doc) store.Cursor {
	if s.group != nil {
		return store.Cursor{store.Lookup(doc, s.id.path)}
	}
	return store.Position(s.order, doc)
}

// fetch reads the next documents.
func (c *cursor) fetch(ctx context.Context) error {
	if c.group != nil {
		return c.fetchGroups(ctx)
	}
	c.docs = make([]store.Doc, 0, c.batch)
	q := store.Query{Collection: c.Collection, Where: c.filter, Order: c.order, After: c.after, Limit: c.batch, Fields: c.fields}
	for doc, err := range c.repo.Store.Find(ctx, q) {
		if err != nil {
			return fmt.Errorf("searching %s: %w", c.Collection, err)
		}
		c.docs = append(c.docs, doc)
	}
	c.done = len(c.docs) < c.batch
	if n := len(c.docs); n > 0 {
		c.after = store.Position(c.order, c.docs[n-1])
	}
	return nil
}
