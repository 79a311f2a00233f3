package sqlite

import (
	"context"
	"iter"

	"github.com/portico-fhir/portico/store"
)

// Bounds of what is read ahead, so that most searches hold a connection no
// longer than they read.
const (
	aheadDocs  = 128
	aheadBytes = 1 << 20
)

// Find implements store.Store. All it yields is of one snapshot. A search that
// yields much holds a read connection until it ends.
func (s *Store) Find(ctx context.Context, q store.Query) iter.Seq2[store.Doc, error] {
	return func(yield func(store.Doc, error) bool) {
		if err := s.find(ctx, q, func(d store.Doc) bool { return yield(d, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// find calls yield until it wants no more, and returns nil then.
func (s *Store) find(ctx context.Context, q store.Query, yield func(store.Doc) bool) error {
	if err := q.Validate(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.searchable(ctx, q); err != nil {
		return err
	}
	h, err := s.hold(ctx)
	if err != nil {
		return err
	}
	defer h.release()

	r := newSearch(ctx, s, h.conn, q)
	if r == nil {
		return nil
	}
	if id, ok := pointRead(q); ok {
		doc, err := r.point(id)
		h.release()
		if doc != nil {
			yield(doc)
		}
		return err
	}
	h.search = r
	for {
		docs, more, err := r.ahead()
		if !more {
			h.release()
		}
		for _, doc := range docs {
			if !yield(doc) {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if err != nil || !more {
			return err
		}
	}
}

// SortsWithin implements store.PartialSorter.
func (s *Store) SortsWithin() bool { return true }

// pointRead gives the _id when a query asks for one document by it.
func pointRead(q store.Query) (store.Value, bool) {
	eq, ok := q.Where.(store.Eq)
	return eq.Value, ok && eq.Path == "_id" && q.After == nil && indexable(eq.Value)
}

// point gives a copy of the document with that _id, or nil.
func (r *search) point(id store.Value) (store.Doc, error) {
	s, err := r.conn.prepare(r.coll.locate)
	if err != nil {
		return nil, err
	}
	defer s.release()
	var space [96]byte
	if err := s.bindBlob(0, store.AppendKey(space[:0], id, false)); err != nil {
		return nil, err
	}
	more, err := s.step()
	if err != nil || !more {
		return nil, err
	}
	d, err := document(s.blob(1))
	if err != nil {
		return nil, err
	}
	return r.copied(s.int(0), &d)
}

// ahead reads some documents and tells whether there may be more.
func (r *search) ahead() (docs []store.Doc, more bool, err error) {
	for size := 0; len(docs) < aheadDocs && size < aheadBytes; {
		doc, err := r.next()
		if err != nil || doc == nil {
			return docs, false, err
		}
		docs = append(docs, doc)
		size += len(doc)
	}
	return docs, r.left != 0, nil
}

// held is a connection taken from the pool, and the search on it.
type held struct {
	pool   *pool
	conn   *conn
	search *search
}

func (s *Store) hold(ctx context.Context) (*held, error) {
	c, err := s.readers.get(ctx)
	return &held{pool: s.readers, conn: c}, err
}

// release gives the connection back; only the first call does anything.
func (h *held) release() {
	if h.conn == nil {
		return
	}
	if h.search != nil {
		h.search.close()
	}
	h.pool.put(h.conn)
	h.conn = nil
}

// Explain implements store.Explainer. It runs q.
func (s *Store) Explain(ctx context.Context, q store.Query) (store.Plan, error) {
	if err := q.Validate(); err != nil {
		return store.Plan{}, err
	}
	if err := s.enter(); err != nil {
		return store.Plan{}, err
	}
	defer s.leave()
	if err := s.searchable(ctx, q); err != nil {
		return store.Plan{}, err
	}
	h, err := s.hold(ctx)
	if err != nil {
		return store.Plan{}, err
	}
	defer h.release()
	r := newSearch(ctx, s, h.conn, q)
	if r == nil {
		return store.Plan{}, nil
	}
	h.search = r
	for {
		doc, err := r.next()
		if err != nil || doc == nil {
			return r.stats, err
		}
	}
}
