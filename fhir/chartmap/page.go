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
// stream, then by branch.
type position struct {
	last   bool
	branch int
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
	b = binary.AppendUvarint(b, uint64(p.branch))
	return base64.RawURLEncoding.EncodeToString(append(b, p.at.Marshal()...))
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
	if err != nil || len(b) < 2 || b[0] > 1 {
		return position{}, badCursor()
	}
	p := position{last: b[0] == 1}
	number, n := binary.Uvarint(b[1:])
	if n <= 0 || number > 1<<16 {
		return position{}, badCursor()
	}
	p.branch = int(number)
	p.at, err = store.UnmarshalCursor(b[1+n:])
	if err != nil || p.at == nil {
		return position{}, badCursor()
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
	e := r.encoder()
	at := from
	for _, last := range []bool{false, true} {
		if from.last && !last {
			continue
		}
		start := position{last: last, branch: -1}
		if last == from.last {
			start = from
		}
		m, err := r.merge(ctx, plan, start, last, count+1)
		if err != nil {
			return nil, "", err
		}
		for {
			c := m.least()
			if c == nil {
				break
			}
			b := c.parts[c.part].branch
			res, ok := e.encode(b, c.docs[0])
			if ok && len(out) == count {
				return out, at.String(), r.overlaid(ctx, e, out, origins)
			}
			at = position{last: last, branch: b.number, at: c.head}
			if ok {
				out, origins = append(out, res), append(origins, made{b, c.docs[0]})
			}
			if err := c.next(ctx, r.Store); err != nil {
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
}

// overlaid puts on the resources of a page what the EHR has no place for.
func (r *Repository) overlaid(ctx context.Context, e *encoder, page []fhir.Resource, of []made) error {
	var keys []fhir.Key
	for i, res := range page {
		if of[i].branch.keepsUnmapped() {
			keys = append(keys, res.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	overlays, err := r.layers(ctx, keys)
	if err != nil {
		return err
	}
	for i, res := range page {
		if o := overlays[res.Key]; o != nil {
			page[i], _ = e.render(of[i].branch, of[i].doc, o)
		}
	}
	return nil
}

// merger holds the streams of one part of a plan.
type merger struct{ cursors []*cursor }

// cursor walks one stream.
type cursor struct {
	*stream
	filter store.Filter
	docs   []store.Doc
	part   int          // of docs[0], which satisfies it
	head   store.Cursor // position of docs[0]
	after  store.Cursor // position of the last document that was fetched
	batch  int
	done   bool // nothing is left in the store
}

func (r *Repository) merge(ctx context.Context, plan []*stream, start position, last bool, count int) (*merger, error) {
	m := &merger{}
	for _, s := range plan {
		if s.last != last {
			continue
		}
		c := &cursor{stream: s, filter: s.upper(), after: start.at, batch: s.batch(count)}
		if start.at != nil && s.lastBranch() > start.branch {
			if err := c.tie(ctx, r.Store, start); err != nil {
				return nil, err
			}
		}
		if len(c.docs) == 0 {
			if err := c.settle(ctx, r.Store); err != nil {
				return nil, err
			}
		}
		m.cursors = append(m.cursors, c)
	}
	return m, nil
}

// batch is how many documents to ask for when count resources are wanted. Of a
// fan-out about half of the branches, we expect, make something of a document;
// if it is less, more documents are asked for later.
func (s *stream) batch(count int) int { return count*2/(len(s.parts)+1) + 1 }

// least gives the cursor whose head comes first, or nil. Cursors stand in the
// order of their branches, so the first of equals is the right one.
func (m *merger) least() *cursor {
	var best *cursor
	for _, c := range m.cursors {
		if len(c.docs) > 0 && (best == nil || compareHeads(c, best) < 0) {
			best = c
		}
	}
	return best
}

// compareHeads compares by the order that all streams of a search share, path
// names aside.
func compareHeads(a, b *cursor) int { return store.ComparePositions(a.order, a.head, b.head) }

// tie fetches the document that stands exactly at a position, for the branches
// behind that which ended the page before.
func (c *cursor) tie(ctx context.Context, st store.Store, start position) error {
	where := store.Eq{Path: "_id", Value: start.at[len(start.at)-1]}
	for doc, err := range st.Find(ctx, store.Query{Collection: c.Collection, Where: where, Fields: c.fields}) {
		if err != nil {
			return fmt.Errorf("searching %s: %w", c.Collection, err)
		}
		if store.ComparePositions(c.order, store.Position(c.order, doc), start.at) != 0 || !c.where.match(doc) {
			continue
		}
		behind := slices.IndexFunc(c.parts, func(p part) bool { return p.number > start.branch })
		if i := c.fit(doc, behind); i >= 0 {
			c.docs, c.part, c.head = append(c.docs, doc), i, start.at
		}
	}
	return nil
}

// fit gives the first part, not before from, whose condition holds for a document
// of the stream; -1 if there is none.
func (c *cursor) fit(doc store.Doc, from int) int {
	for i := from; i < len(c.parts); i++ {
		if c.parts[i].own.match(doc) {
			return i
		}
	}
	return -1
}

// next drops the head: the resource that its part makes of the first document.
func (c *cursor) next(ctx context.Context, st store.Store) error {
	if i := c.fit(c.docs[0], c.part+1); i >= 0 {
		c.part = i
		return nil
	}
	c.docs = c.docs[1:]
	return c.settle(ctx, st)
}

// settle drops documents that are none of the stream's, and fetches more, until
// there is a head or the stream has ended.
func (c *cursor) settle(ctx context.Context, st store.Store) error {
	for {
		for len(c.docs) > 0 {
			doc := c.docs[0]
			if c.where.exact() || c.where.match(doc) {
				if c.part = c.fit(doc, 0); c.part >= 0 {
					c.head = store.Position(c.order, doc)
					return nil
				}
			}
			c.docs = c.docs[1:]
		}
		if c.done {
			return nil
		}
		if err := c.fetch(ctx, st); err != nil {
			return err
		}
	}
}

// fetch reads the next documents.
func (c *cursor) fetch(ctx context.Context, st store.Store) error {
	c.docs = make([]store.Doc, 0, c.batch)
	q := store.Query{Collection: c.Collection, Where: c.filter, Order: c.order, After: c.after, Limit: c.batch, Fields: c.fields}
	for doc, err := range st.Find(ctx, q) {
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
