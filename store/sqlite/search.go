package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/portico-fhir/portico/store"
)

// search is one query being answered on one connection.
type search struct {
	ctx    context.Context
	store  *Store
	conn   *conn
	query  store.Query
	coll   *collection
	access access
	fresh  bool         // the plan was found not to be stale
	rest   store.Filter // what the conditions ask besides what the entries say
	fields []string     // that rest and the order look at
	budget int          // bytes of keys for a sort

	walk   *walk
	docs   *stmt // reads the document of an entry
	apart  apart
	order  []store.Key
	ties   ties
	behind bool // the cursor was passed
	seen   rids
	sorted *sorted
	left   int // documents still to return; -1: no limit
	stats  store.Plan
}

// newSearch prepares to answer q. It gives nil when there is no such collection.
func newSearch(ctx context.Context, s *Store, c *conn, q store.Query) *search {
	coll := s.catalog.Load().collections[q.Collection]
	if coll == nil {
		return nil
	}
	r := &search{ctx: ctx, store: s, conn: c, query: q, coll: coll, budget: s.opts.Sort, left: -1}
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
	r.stats, r.sorted, r.order = store.Plan{}, nil, p.order
	if r.access.ordered && r.query.After != nil {
		p.startAfter(&r.access, r.query.After)
	}
	if r.access.ix != nil {
		r.stats.Index = r.access.ix.def.Name
	}
	if !r.access.ordered {
		r.stats.Sorted = true
		r.sorted = newSorted(p.order, r.query, r.budget)
	}
	if !r.access.ordered || len(r.access.lanes) != 1 || len(r.access.lanes[0].spans) > 1 || r.access.ix.find != "" {
		// One snapshot for all that is read.
		if err := r.conn.snapshot(); err != nil {
			return err
		}
	}
	return r.open()
}

// open begins to walk through the entries.
func (r *search) open() error {
	if r.walk != nil {
		r.walk.close()
		r.walk = nil
	}
	r.seen, r.ties, r.apart.field = nil, ties{}, ""
	r.behind = r.query.After == nil || !r.access.tied && !r.access.partial
	r.rest = r.access.residual(r.query.Where)
	r.fields = touched(r.rest, nil)
	if r.sorted != nil || !r.behind {
		r.fields = touched(r.rest, r.order)
	}
	var err error
	if r.docs == nil {
		if r.docs, err = r.conn.prepare(r.coll.fetch); err != nil {
			return err
		}
	}
	r.walk, err = newWalk(r.conn, r.coll, &r.access)
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
	if r.docs != nil {
		r.docs.release()
		r.docs = nil
	}
	r.apart.close()
	r.conn.endSnapshot()
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
	return r.copied(e.rid, &e.stored)
}

// copied gives the fields asked for of document rid, in memory of their own.
func (r *search) copied(rid int64, d *stored) (store.Doc, error) {
	if r.query.Fields == nil {
		return r.conn.own(r.coll, rid, d)
	}
	doc := d.rest
	if d.lacks(r.query.Fields) {
		var err error
		if doc, err = r.conn.own(r.coll, rid, d); err != nil {
			return nil, err
		}
	}
	return store.Project(doc, r.query.Fields), nil
}

// match gives the next entry whose document matches and was not met before.
func (r *search) match() (*entry, error) {
	for {
		if r.stats.Keys&0xFF == 0xFF {
			if err := r.ctx.Err(); err != nil {
				return nil, err
			}
		}
		e, err := r.nextEntry()
		if err != nil || e == nil {
			return nil, err
		}
		if r.access.dedupe && !r.seen.add(e.rid) {
			continue
		}
		if e.stored.rest == nil {
			if e.stored, err = r.document(e.rid); err != nil {
				return nil, err
			}
		}
		if err := r.complete(e); err != nil {
			return nil, err
		}
		r.stats.Docs++
		if !r.behind && !r.passed(e) {
			continue
		}
		if e.view != nil && e.view.Match(r.rest) || e.view == nil && store.Match(r.rest, e.doc) {
			return e, nil
		}
	}
}

// complete adds to an entry's document what the search looks at and is kept elsewhere.
func (r *search) complete(e *entry) error {
	e.doc, e.view = e.stored.rest, nil
	if !e.stored.lacks(r.fields) {
		return nil
	}
	var err error
	if r.apart.suffices(r, e.stored.name) {
		e.view, err = r.apart.read(r.conn, r.coll, e)
	} else {
		e.doc, err = r.conn.own(r.coll, e.rid, &e.stored)
	}
	return err
}

// position is where an entry's document stands in the order.
func (r *search) position(e *entry) store.Cursor {
	if e.view != nil {
		return e.view.Position(r.order)
	}
	return store.Position(r.order, e.doc)
}

// nextEntry gives the next entry in the order of the access.
func (r *search) nextEntry() (*entry, error) {
	if r.access.tied {
		return r.nextOfTies()
	}
	return r.walked()
}

// walked gives the next entry as the index has it.
func (r *search) walked() (*entry, error) {
	e, err := r.walk.next()
	if err != nil || e == nil {
		return nil, err
	}
	r.stats.Keys++
	if !r.fresh {
		if r.access.ix != nil && r.access.ix.multi.Load() != r.access.multi {
			return nil, errStale
		}
		r.fresh = true
	}
	return e, nil
}

// document reads the document of an entry. Its bytes are SQLite's, valid until the
// next one is read.
func (r *search) document(rid int64) (stored, error) {
	r.docs.reset()
	if err := r.docs.bindInt(0, rid); err != nil {
		return stored{}, err
	}
	more, err := r.docs.step()
	if err != nil {
		return stored{}, err
	}
	if !more {
		return stored{}, fmt.Errorf("sqlite: index %s has an entry of no document: %w", r.access.ix.def.Name, store.ErrCorrupt)
	}
	return document(r.docs.blob(0))
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
			if err := r.sorted.add(r.position(e), e.rid); err != nil {
				return nil, err
			}
		}
		r.sorted.end()
	}
}

// fetch copies the document with that rid.
func (r *search) fetch(rid int64) (store.Doc, error) {
	d, err := r.document(rid)
	if err != nil {
		return nil, err
	}
	return r.copied(rid, &d)
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
