package sqlite

import (
	"bytes"
	"slices"

	"github.com/portico-fhir/portico/store"
)

// ties are the entries of a loose index that have the same key: they are put in
// the order of their _id when they are met.
type ties struct {
	rids  []int64 // in order, still to give
	ahead row     // the entry read beyond them
	more  bool    // there is one
	ended bool
	entry entry
}

// nextOfTies gives the next entry, those with the same key in the order of their
// documents' _id.
func (r *search) nextOfTies() (*entry, error) {
	t := &r.ties
	if len(t.rids) == 0 {
		if err := r.gather(); err != nil {
			return nil, err
		}
	}
	if len(t.rids) == 0 {
		return nil, nil
	}
	t.entry = entry{rid: t.rids[0]}
	t.rids = t.rids[1:]
	return &t.entry, nil
}

// gather reads the entries that are next and have the same key.
func (r *search) gather() error {
	t := &r.ties
	t.rids = t.rids[:0]
	first := t.ahead
	if !t.more {
		if t.ended {
			return nil
		}
		e, err := r.walked()
		if err != nil || e == nil {
			t.ended = true
			return err
		}
		first = row{bytes.Clone(r.walk.tail(e)), e.rid}
	}
	t.more = false
	rids := append(t.rids, first.rid)
	for {
		e, err := r.walked()
		if err != nil {
			return err
		}
		if e == nil {
			t.ended = true
			break
		}
		tail := r.walk.tail(e)
		if !bytes.Equal(tail, first.key) {
			t.ahead, t.more = row{append(first.key[:0], tail...), e.rid}, true
			break
		}
		rids = append(rids, e.rid)
	}
	var err error
	if len(rids) > 1 {
		rids, err = r.byID(rids)
	}
	t.rids = rids
	return err
}

// byID puts rows in the order of their documents' _id.
func (r *search) byID(rids []int64) ([]int64, error) {
	desc := r.order[len(r.order)-1].Desc
	rows := make([]row, 0, len(rids))
	for _, rid := range rids {
		d, err := r.document(rid)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{store.AppendKey(nil, store.ID(d.rest), desc), rid})
	}
	slices.SortFunc(rows, compareRows)
	for i := range rows {
		rids[i] = rows[i].rid
	}
	return rids, nil
}

// passed reports whether a document comes after the cursor. All that follow it then do,
// since the walk begins with the entries that have the cursor's key, unless a document
// may have other entries before it.
func (r *search) passed(e *entry) bool {
	passed := store.ComparePositions(r.order, r.position(e), r.query.After) > 0
	r.behind = passed && !r.access.partial
	return passed
}
