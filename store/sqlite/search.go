package sqlite

import (
	"bytes"
	"context"
	"errors"

	"github.com/portico-fhir/portico/store"
)

// search is one query being answered on one connection.
type search struct {
	ctx    context.Context
	conn   *conn
	query  store.Query
	coll   *collection
	access access
	fresh  bool         // the plan was found not to be stale
	rest   store.Filter // what the conditions ask besides what the entries say
	budget int          // bytes of keys for a sort

	walk   *walk
	seen   rids
	sorted *sorted
	left   int // documents still to return; -1: no limit
	inTx   bool
	stats  store.Plan
}

// newSearch prepares to answer q. It gives nil when there is no such collection.
func newSearch(ctx context.Context, s *Store, c *conn, q store.Query) *search {
	coll := s.catalog.Load().collections[q.Collection]
	if coll == nil {
		return nil
	}
	r := &search{ctx: ctx, conn: c, query: q, coll: coll, budget: s.opts.Sort, left: -1}
	if q.Limit > 0 {
		r.left = q.Limit
	}
	return r
}

// start plans and opens the walk.
func (r *search) start() error {
	p := newPlanner(r.coll, r.query)
	var err error
	r.access, err = p.choose(r.conn, r.query, false)
	if err != nil {
		return err
	}
	r.stats, r.sorted = store.Plan{}, nil
	if r.access.ordered && r.query.After != nil {
		p.startAfter(&r.access, r.query.After)
	}
	if r.access.ix != nil {
		r.stats.Index = r.access.ix.def.Name
	}
	if !r.access.ordered {
		r.stats.Sorted = true
		r.sorted = newSorted(p.order, r.query.After, r.query.Limit, r.budget)
	}
	if !r.access.ordered || len(r.access.lanes) != 1 || len(r.access.lanes[0].spans) > 1 {
		// One snapshot for all that is read.
		if err := r.conn.run("BEGIN"); err != nil {
			return err
		}
		r.inTx = true
	}
	return r.open()
}

// open begins to walk through the entries.
func (r *search) open() error {
	if r.walk != nil {
		r.walk.close()
		r.walk = nil
	}
	r.seen = nil
	r.rest = r.access.residual(r.query.Where)
	w, err := newWalk(r.conn, r.coll, &r.access)
	r.walk = w
	return err
}

// errStale says that the plan relied on a key having one value per document,
// and a document with several was committed before the snapshot began. The
// writer marks the index first, so the first entry read brings it to light.
var errStale = errors.New("sqlite: the plan is stale")

// close releases what the search holds of its connection.
func (r *search) close() {
	if r.walk != nil {
		r.walk.close()
		r.walk = nil
	}
	if r.inTx && !r.conn.broken {
		// A read transaction has nothing that could fail to be committed.
		_ = r.conn.run("COMMIT")
		r.inTx = false
	}
}

// next gives a copy of the next document, or nil at the end.
func (r *search) next() (store.Doc, error) {
	if r.left == 0 {
		return nil, nil
	}
	doc, err := r.advance()
	for errors.Is(err, errStale) {
		r.close()
		doc, err = r.advance()
	}
	if err != nil || doc == nil {
		return nil, err
	}
	if r.left > 0 {
		r.left--
	}
	r.stats.Returned++
	return doc, nil
}

func (r *search) advance() (store.Doc, error) {
	if r.walk == nil {
		if err := r.start(); err != nil {
			return nil, err
		}
	}
	if r.sorted != nil {
		return r.nextSorted()
	}
	e, err := r.match()
	if err != nil || e == nil {
		return nil, err
	}
	return r.copied(e.doc), nil
}

// copied gives the fields asked for in memory of their own.
func (r *search) copied(doc store.Doc) store.Doc {
	if r.query.Fields != nil {
		return store.Project(doc, r.query.Fields)
	}
	return bytes.Clone(doc)
}

// match gives the next entry whose document matches and was not met before.
func (r *search) match() (*entry, error) {
	for {
		if r.stats.Keys&0xFF == 0xFF {
			if err := r.ctx.Err(); err != nil {
				return nil, err
			}
		}
		e, err := r.walk.next()
		if err != nil || e == nil {
			return nil, err
		}
		r.stats.Keys++
		r.stats.Docs++
		if !r.fresh {
			if r.access.ix != nil && r.access.ix.multi.Load() != r.access.multi {
				return nil, errStale
			}
			r.fresh = true
		}
		if r.access.dedupe && !r.seen.add(e.rid) {
			continue
		}
		if store.Match(r.rest, e.doc) {
			return e, nil
		}
	}
}

// nextSorted gives the next document of a sort. It goes through the entries
// once, or several times when their keys take too much memory.
func (r *search) nextSorted() (store.Doc, error) {
	for {
		if rid, ok := r.sorted.next(); ok {
			return r.fetch(rid)
		}
		if !r.sorted.more {
			return nil, nil
		}
		if r.sorted.passes > 0 {
			if err := r.open(); err != nil {
				return nil, err
			}
		}
		r.sorted.begin()
		for {
			e, err := r.match()
			if err != nil {
				return nil, err
			}
			if e == nil {
				break
			}
			r.sorted.add(e)
		}
		r.sorted.end()
	}
}

// fetch copies the document with that rid.
func (r *search) fetch(rid int64) (store.Doc, error) {
	s, err := r.conn.prepare(r.coll.fetch)
	if err != nil {
		return nil, err
	}
	defer s.release()
	if err := s.bindInt(0, rid); err != nil {
		return nil, err
	}
	more, err := s.step()
	if err != nil || !more {
		return nil, err
	}
	doc, err := document(s.blob(0))
	if err != nil {
		return nil, err
	}
	return r.copied(doc), nil
}

// rids is a set of row ids, a bit for each.
type rids map[int64]*[64]uint64

// add reports whether rid was not there yet.
func (s *rids) add(rid int64) bool {
	if *s == nil {
		*s = make(rids)
	}
	block := (*s)[rid>>12]
	if block == nil {
		block = new([64]uint64)
		(*s)[rid>>12] = block
	}
	word, bit := &block[rid>>6&63], uint64(1)<<(rid&63)
	added := *word&bit == 0
	*word |= bit
	return added
}
