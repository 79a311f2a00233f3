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
	if err := r.conn.run("BEGIN"); err != nil {
		return 0, err
	}
	r.inTx = true
	var err error
	r.access, err = p.choose(r.conn, r.query, true)
	if err != nil {
		return 0, err
	}
	r.stats = store.Plan{}
	a := &r.access
	switch {
	case len(p.conds) == 0:
		return r.conn.number(r.coll.byKey.count, []byte{}, []byte{0xFF}, int64(r.left))
	case a.ix != nil && a.whole() && !a.dedupe:
		return r.countSpans()
	case a.ix != nil && a.whole() && a.ix.rids != "":
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

// countSpans is for entries of which each document has one at most.
func (r *search) countSpans() (int64, error) {
	total := int64(0)
	for _, s := range allSpans(r.access.lanes) {
		limit := int64(-1)
		if r.left >= 0 {
			limit = int64(r.left) - total
		}
		n, err := r.conn.number(r.access.ix.count, s.low, s.high, limit)
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
	s, err := r.conn.prepare(r.access.ix.rids)
	if err != nil {
		return 0, err
	}
	defer s.release()
	var seen rids
	total, read := int64(0), 0
	for _, span := range allSpans(r.access.lanes) {
		if err := s.bind(span.low, span.high); err != nil {
			return 0, err
		}
		for r.left < 0 || total < int64(r.left) {
			more, err := s.step()
			if err != nil {
				return 0, err
			}
			if !more {
				break
			}
			if read++; read&0xFFF == 0 {
				if err := r.ctx.Err(); err != nil {
					return 0, err
				}
			}
			if seen.add(s.int(0)) {
				total++
			}
		}
		s.reset()
	}
	return total, nil
}
