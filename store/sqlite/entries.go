package sqlite

import (
	"bytes"
	"slices"

	"github.com/portico-fhir/portico/store"
)

// change is what a write does to one index.
type change struct {
	ix      *index
	removed [][]byte
	added   [][]byte
}

// changes works out what becomes of the indexes when old, the document with
// that rid and key of its _id, becomes doc; either may be nil. ready is what was
// worked out ahead, if anything. It refuses values that a unique index has for another
// document.
func (w *writer) changes(coll *collection, old, doc store.Doc, ready *prepared, rid int64, id []byte) ([]change, error) {
	if len(coll.indexes) == 0 {
		return nil, nil
	}
	list := make([]change, 0, len(coll.indexes))
	ready = ready.current(coll)
	for i, ix := range coll.indexes {
		c := change{ix: ix}
		var err error
		if old != nil {
			if c.removed, _, err = ix.entriesOf(old); err != nil {
				return nil, err
			}
		}
		if doc != nil {
			var multi uint64
			if ready != nil {
				c.added, multi = ready.entries[i].keys, ready.entries[i].multi
			} else if c.added, multi, err = ix.entriesOf(doc); err != nil {
				return nil, err
			}
			if err := w.markMulti(ix, multi); err != nil {
				return nil, err
			}
		}
		if old != nil && doc != nil {
			c.removed, c.added = difference(c.removed, c.added)
		}
		if ix.def.Unique {
			if err := w.checkUnique(ix, c.added, rid, id); err != nil {
				return nil, err
			}
		}
		if len(c.removed)+len(c.added) > 0 {
			list = append(list, c)
		}
	}
	return list, nil
}

// writeEntries notes what the ops change in the indexes, for the end of the group. Unique ones
// are written at once: whether a value is taken is for the next op to see.
func (w *writer) writeEntries(list []pending) error {
	for i := range list {
		for _, c := range list[i].changes {
			e := w.editsOf(c.ix)
			for _, key := range c.removed {
				e.list = append(e.list, edit{row: row{key, list[i].rid}, gone: true})
			}
			for _, key := range c.added {
				e.list = append(e.list, edit{row: row{key, list[i].rid}})
			}
			if c.ix.def.Unique {
				if err := w.flush(e); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// editsOf gives where edits of ix are collected.
func (w *writer) editsOf(ix *index) *edits {
	for _, e := range w.edits {
		if e.ix == ix {
			return e
		}
	}
	e := &edits{ix: ix}
	if n := len(w.spare); n > 0 {
		e.list, w.spare = w.spare[n-1], w.spare[:n-1]
	}
	w.edits = append(w.edits, e)
	return e
}

// spareEdits bounds the memory that is kept for the edits of the next group: how many for
// one index, and for how many indexes.
const (
	spareEdits   = 1 << 16
	spareIndexes = 64
)

// spareAll keeps the memory of edits for others.
func (w *writer) spareAll() {
	for _, e := range w.edits {
		if cap(e.list) <= spareEdits && len(w.spare) < spareIndexes {
			clear(e.list[:cap(e.list)])
			w.spare = append(w.spare, e.list[:0])
		}
	}
	w.edits = nil
}

// notedEdits gives how many edits of each index were collected, for forgetEdits.
func (w *writer) notedEdits() []int {
	n := make([]int, len(w.edits))
	for i, e := range w.edits {
		n[i] = len(e.list)
	}
	return n
}

// forgetEdits undoes what was collected since.
func (w *writer) forgetEdits(noted []int) {
	for i, e := range w.edits {
		n := 0
		if i < len(noted) {
			n = noted[i]
		}
		e.list = e.list[:n]
	}
}

// flush writes the edits of a unique index into its runs.
func (w *writer) flush(e *edits) error {
	list := net(e.list)
	e.list = e.list[:0]
	return w.writeRuns(e.ix, list)
}

// flushAll writes what the transactions of a group share. It keeps the edits of the other indexes and carries out as
// many that were kept before.
func (w *writer) flushAll() error {
	slices.SortFunc(w.edits, func(a, b *edits) int { return int(min(max(a.ix.iid-b.ix.iid, -1), 1)) })
	var fresh batch
	for _, e := range w.edits {
		fresh.add(e.ix.iid, net(e.list))
	}
	var err error
	if w.learned, err = w.learner.write(w.conn, w.store.strings); err != nil {
		return err
	}
	return w.remember(fresh, 2*fresh.count, false)
}

// markMulti notes the keys that a document has several values of, before the
// document can be seen.
func (w *writer) markMulti(ix *index, multi uint64) error {
	known := ix.multi.Load()
	if multi&^known == 0 {
		return nil
	}
	ix.multi.Store(known | multi)
	return w.conn.run(ix.mark, int64(known|multi))
}

// checkUnique refuses keys whose declared part another document has; id is the
// key of the document's own _id.
func (w *writer) checkUnique(ix *index, keys [][]byte, rid int64, id []byte) error {
	for _, key := range keys {
		low := key
		if ix.hidden {
			low = key[:len(key)-len(id)]
		}
		taken, err := w.taken(ix, span{low, after(low)}, rid)
		if err != nil {
			return err
		}
		if taken {
			return &takenError{ix.def.Name}
		}
	}
	return nil
}

// taken reports whether another document than rid has an entry in the span.
func (w *writer) taken(ix *index, s span, rid int64) (bool, error) {
	walk, err := newWalk(w.conn, nil, &access{ix: ix, lanes: []lane{{spans: []span{s}}}})
	if err != nil {
		return false, err
	}
	defer walk.close()
	for {
		e, err := walk.next()
		if err != nil || e == nil {
			return false, err
		}
		if e.rid != rid {
			return true, nil
		}
	}
}

// entriesOf gives the keys of d's entries in order, each once, and the bits of
// the keys that d has several values of.
func (ix *index) entriesOf(d store.Doc) (keys [][]byte, multi uint64, err error) {
	var id store.Value
	if ix.hidden {
		id = store.ID(d)
	}
	buf := make([]byte, 0, 1024)
	var first []store.Value
	err = store.EachEntry(ix.stored(), d, func(tuple []store.Value) {
		if first == nil {
			first = slices.Clone(tuple)
		}
		if cap(buf)-len(buf) < 128 {
			buf = make([]byte, 0, 4096) // what it held stays where it is
		}
		start := len(buf)
		for j, v := range tuple {
			buf = store.AppendKey(buf, v, ix.keys[j].Desc)
			if multi&(1<<j) == 0 && !same(v, first[j]) {
				multi |= 1 << j
			}
		}
		if ix.hidden {
			buf = store.AppendKey(buf, id, ix.keys[len(tuple)].Desc)
		}
		if len(keys) == 1 {
			keys = append(make([][]byte, 0, 96), keys...) // where there are several, there are many
		}
		keys = append(keys, buf[start:len(buf):len(buf)])
	})
	if err != nil {
		return nil, 0, err
	}
	if !slices.IsSortedFunc(keys, bytes.Compare) { // the lists of records are in order
		slices.SortFunc(keys, bytes.Compare)
	}
	return slices.CompactFunc(keys, bytes.Equal), multi, nil
}

// same reports whether two values are the same bytes.
func same(a, b store.Value) bool { return a.Type == b.Type && bytes.Equal(a.Value, b.Value) }

// difference takes what two sorted lists share out of both.
func difference(a, b [][]byte) (onlyA, onlyB [][]byte) {
	for len(a) > 0 && len(b) > 0 {
		switch c := bytes.Compare(a[0], b[0]); {
		case c < 0:
			onlyA, a = append(onlyA, a[0]), a[1:]
		case c > 0:
			onlyB, b = append(onlyB, b[0]), b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return append(onlyA, a...), append(onlyB, b...)
}

// after gives the first byte string that is greater than all that start with
// prefix. A key never starts with FF, so there always is one.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xFF {
			end[i]++
			return end[:i+1]
		}
	}
	return []byte{0xFF}
}
