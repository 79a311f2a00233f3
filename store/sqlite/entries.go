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
// that rid and key of its _id, becomes doc; either may be nil. It refuses values
// that a unique index has for another document.
func (w *writer) changes(coll *collection, old, doc store.Doc, rid int64, id []byte) ([]change, error) {
	if len(coll.indexes) == 0 {
		return nil, nil
	}
	list := make([]change, 0, len(coll.indexes))
	for _, ix := range coll.indexes {
		c := change{ix: ix}
		var err error
		if old != nil {
			if c.removed, _, err = ix.entriesOf(old); err != nil {
				return nil, err
			}
		}
		if doc != nil {
			var multi uint64
			if c.added, multi, err = ix.entriesOf(doc); err != nil {
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

// row is one entry in an index's table.
type row struct {
	key []byte
	rid int64
}

// writeEntries carries out what the ops change in the indexes: index by index
// and in the order of the keys, so that what lies together is written together.
func (w *writer) writeEntries(list []pending) error {
	var done []*index
	for i := range list {
		for _, c := range list[i].changes {
			if slices.Contains(done, c.ix) {
				continue
			}
			done = append(done, c.ix)
			removed, added := rowsOf(list[i:], c.ix)
			if err := w.eachRow(c.ix.remove, removed); err != nil {
				return err
			}
			if err := w.eachRow(c.ix.insert, added); err != nil {
				return err
			}
		}
	}
	return nil
}

func rowsOf(list []pending, ix *index) (removed, added []row) {
	for i := range list {
		for _, c := range list[i].changes {
			if c.ix != ix {
				continue
			}
			for _, key := range c.removed {
				removed = append(removed, row{key, list[i].rid})
			}
			for _, key := range c.added {
				added = append(added, row{key, list[i].rid})
			}
		}
	}
	return removed, added
}

// eachRow runs a statement that takes a key and a rid, in the order of the keys.
func (w *writer) eachRow(sql string, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	s, err := w.conn.prepare(sql)
	if err != nil {
		return err
	}
	defer s.release()
	for _, r := range rows {
		if err := s.bindBlob(0, r.key); err != nil {
			return err
		}
		if err := s.bindInt(1, r.rid); err != nil {
			return err
		}
		if _, err := s.step(); err != nil {
			return err
		}
		s.reset()
	}
	return nil
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
		s, err := w.conn.prepare(ix.taken)
		if err != nil {
			return err
		}
		err = s.bind(low, after(low), rid)
		taken := false
		if err == nil {
			taken, err = s.step()
		}
		s.release()
		if err != nil {
			return err
		}
		if taken {
			return &takenError{ix.def.Name}
		}
	}
	return nil
}

// entriesOf gives the keys of d's entries in order, each once, and the bits of
// the keys that d has several values of.
func (ix *index) entriesOf(d store.Doc) (keys [][]byte, multi uint64, err error) {
	tuples, err := store.Entries(ix.def, d)
	if err != nil || len(tuples) == 0 {
		return nil, 0, err
	}
	keys = make([][]byte, len(tuples))
	buf := make([]byte, 0, 64*len(tuples))
	id := store.Value{}
	if ix.hidden {
		id = store.ID(d)
	}
	for i, tuple := range tuples {
		start := len(buf)
		for j, v := range tuple {
			buf = store.AppendKey(buf, v, ix.keys[j].Desc)
			if i > 0 && multi&(1<<j) == 0 && !same(v, tuples[0][j]) {
				multi |= 1 << j
			}
		}
		if ix.hidden {
			buf = store.AppendKey(buf, id, ix.keys[len(tuple)].Desc)
		}
		keys[i] = buf[start:len(buf):len(buf)]
	}
	slices.SortFunc(keys, bytes.Compare)
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
