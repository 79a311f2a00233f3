package sqlite

import (
	"context"
	"errors"

	"github.com/portico-fhir/portico/store"
)

// Count implements store.Store. It reads index entries alone where they say
// all that the filter asks.
func (s *Store) Count(ctx context.Context, q store.Query) (int64, error) {
	if err := q.Validate(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	if err := s.searchable(ctx, q); err != nil {
		return 0, err
	}
	h, err := s.hold(ctx)
	if err != nil {
		return 0, err
	}
	defer h.release()
	r := newSearch(ctx, s, h.conn, store.Query{Collection: q.Collection, Where: q.Where, Limit: q.Limit})
	if r == nil {
		return 0, nil
	}
	h.search = r
	n, err := r.count()
	for errors.Is(err, errStale) {
		r.close()
		n, err = r.count()
	}
	return n, err
}

// count counts what matches, up to the limit.
func (r *search) count() (int64, error) {
	p := newPlanner(r.coll, r.query)
	if err := r.conn.snapshot(); err != nil {
		return 0, err
	}
	var err error
	r.access, err = p.choose(r.conn, r.query, true)
	if err != nil {
		return 0, err
	}
	r.stats = store.Plan{}
	if iid, key, ok := r.counter(len(p.conds) == 0); ok {
		return r.countLong(iid, key)
	}
	a := &r.access
	switch {
	case a.ix != nil && a.whole() && !a.dedupe:
		return r.countSpans()
	case a.ix != nil && a.whole():
		return r.countRows()
	}
	if err := r.open(); err != nil {
		return 0, err
	}
	n := int64(0)
	for ; r.left < 0 || n < int64(r.left); n++ {
		e, err := r.match()
		if err != nil {
			return 0, err
		}
		if e == nil {
			break
		}
	}
	return n, nil
}

// countLong counts what there may be a counter for, and has one made where that takes
// long.
func (r *search) countLong(iid int64, key []byte) (int64, error) {
	ix := r.access.ix
	if iid < 0 {
		ix = nil
	}
	n, ok, err := r.conn.counted(ix, iid, key)
	if err != nil {
		return 0, err
	}
	if ok {
		if ix != nil && ix.multi.Load() != r.access.multi {
			return 0, errStale
		}
		if r.left >= 0 {
			n = min(n, int64(r.left))
		}
		return n, nil
	}
	if ix == nil {
		n, err = r.conn.number(r.coll.byKey.count, []byte{}, []byte{0xFF}, int64(r.left))
	} else {
		n, err = r.countSpans()
	}
	if err == nil && (n >= worthCounting || iid < 0 && n >= worthAll) {
		r.store.count(r.coll, ix, iid, key)
	}
	return n, err
}

// countSpans is for entries of which each document has one at most.
func (r *search) countSpans() (int64, error) {
	total := int64(0)
	for _, s := range allSpans(r.access.lanes) {
		limit := int64(-1)
		if r.left >= 0 {
			limit = int64(r.left) - total
		}
		n, err := r.access.ix.number(r.conn, s, limit)
		if err != nil {
			return 0, err
		}
		if r.access.ix.multi.Load() != r.access.multi {
			return 0, errStale
		}
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// countRows is for entries of which a document may have several.
func (r *search) countRows() (int64, error) {
	w, err := newWalk(r.conn, r.coll, &r.access)
	if err != nil {
		return 0, err
	}
	defer w.close()
	r.walk = w
	defer func() { r.walk = nil }()
	var seen rids
	total, read := int64(0), 0
	for r.left < 0 || total < int64(r.left) {
		e, err := r.walked()
		if err != nil {
			return 0, err
		}
		if e == nil {
			break
		}
		if read++; read&0xFFF == 0 {
			if err := r.ctx.Err(); err != nil {
				return 0, err
			}
		}
		if seen.add(e.rid) {
			total++
		}
	}
	return total, nil
}

// number counts the entries in a span, up to the limit unless that is negative.
func (ix *index) number(c *conn, s span, limit int64) (int64, error) {
	if ix.find == "" {
		return c.number(ix.count, s.low, s.high, limit)
	}
	total := more(c.edits(ix), s)
	if limit >= 0 && total >= limit {
		return limit, nil
	}
	left := limit
	if limit >= 0 {
		left -= total
	}
	n, err := ix.inRuns(c, s, left)
	if total += n; limit >= 0 {
		total = min(total, limit)
	}
	return total, err
}

// inRuns counts those that are in the runs, up to the limit or a little beyond unless that is negative.
func (ix *index) inRuns(c *conn, s span, limit int64) (int64, error) {
	st, err := c.prepare(ix.walk)
	if err != nil {
		return 0, err
	}
	defer st.release()
	if err := st.bind(s.low, s.high); err != nil {
		return 0, err
	}
	r := c.spareRun()
	defer c.keepRun(r)
	// Of the runs at the two ends it takes a look at the entries; all between lie within.
	var fence, data []byte
	total, first := int64(0), true
	for limit < 0 || total < limit {
		more, err := st.step()
		if err != nil {
			return 0, err
		}
		switch {
		case data == nil:
		case first || !more:
			if err := r.readWithin(fence, data, s); err != nil {
				return 0, err
			}
			total += int64(len(r.rows))
			first = false
		default:
			n, err := runLength(data)
			if err != nil {
				return 0, err
			}
			total += n
		}
		if !more {
			break
		}
		fence, data = append(fence[:0], st.blob(0)...), append(data[:0], st.blob(1)...)
	}
	return total, nil
}
