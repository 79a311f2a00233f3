package chartmap

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"

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
		if s.last == p.last && len(store.CompleteOrder(s.order)) != len(p.at) {
			return position{}, badCursor()
		}
	}
	return p, nil
}

// page merges the streams from a position on.
func (r *Repository) page(ctx context.Context, plan []*stream, from position, count int) ([]fhir.Resource, string, error) {
	var out []fhir.Resource
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
			res, ok := r.encode(c.branch, c.docs[0])
			if ok && len(out) == count {
				return out, at.String(), nil
			}
			at = position{last: last, branch: c.number, at: c.head}
			if ok {
				out = append(out, res)
			}
			if err := c.next(ctx, r.Store); err != nil {
				return nil, "", err
			}
		}
	}
	return out, "", nil
}

// merger holds the streams of one part of a plan.
type merger struct{ cursors []*cursor }

// cursor walks one stream.
type cursor struct {
	*stream
	docs  []store.Doc
	head  store.Cursor // position of docs[0]
	after store.Cursor // position of the last document that was fetched
	batch int
	done  bool // nothing is left in the store
}

func (r *Repository) merge(ctx context.Context, plan []*stream, start position, last bool, batch int) (*merger, error) {
	m := &merger{}
	for _, s := range plan {
		if s.last != last {
			continue
		}
		c := &cursor{stream: s, after: start.at, batch: batch}
		if start.at != nil && s.number > start.branch {
			if err := c.tie(ctx, r.Store, start.at); err != nil {
				return nil, err
			}
		}
		if err := c.settle(ctx, r.Store); err != nil {
			return nil, err
		}
		m.cursors = append(m.cursors, c)
	}
	return m, nil
}

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

// tie fetches the document that stands exactly at a position: another branch of
// it ended the page before.
func (c *cursor) tie(ctx context.Context, st store.Store, at store.Cursor) error {
	where := conjunction([]store.Filter{store.Eq{Path: "_id", Value: at[len(at)-1]}, c.where.upper()})
	for doc, err := range st.Find(ctx, store.Query{Collection: c.Collection, Where: where, Limit: 1, Fields: c.fields}) {
		if err != nil {
			return fmt.Errorf("searching %s: %w", c.Collection, err)
		}
		if store.ComparePositions(c.order, store.Position(c.order, doc), at) == 0 && c.fits(doc) {
			c.docs = append(c.docs, doc)
		}
	}
	return nil
}

func (c *cursor) fits(doc store.Doc) bool { return c.where.exact() || c.where.match(doc) }

// next drops the head.
func (c *cursor) next(ctx context.Context, st store.Store) error {
	c.docs = c.docs[1:]
	return c.settle(ctx, st)
}

// settle fetches documents until there is a head or the stream has ended.
func (c *cursor) settle(ctx context.Context, st store.Store) error {
	for len(c.docs) == 0 && !c.done {
		n := 0
		q := store.Query{Collection: c.Collection, Where: c.where.upper(), Order: c.order, After: c.after, Limit: c.batch, Fields: c.fields}
		for doc, err := range st.Find(ctx, q) {
			if err != nil {
				return fmt.Errorf("searching %s: %w", c.Collection, err)
			}
			n++
			c.after = store.Position(c.order, doc)
			if c.fits(doc) {
				c.docs = append(c.docs, doc)
			}
		}
		c.done = n < c.batch
	}
	if len(c.docs) > 0 {
		c.head = store.Position(c.order, c.docs[0])
	}
	return nil
}
