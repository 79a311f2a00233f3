package sqlite

import (
	"bytes"
	"context"
	"fmt"

	"github.com/portico-fhir/portico/store"
)

// A counter is how many documents a collection has, or how many entries with one string as their first key
// the runs of an index have: what the edits come to that are not in the runs is added when it is read. So it changes
// where runs are written, which is for many edits at once, and in the same transaction. It begins when
// the entries of one string fill several runs, or when such a count took long, and answers the next at once.
//
// In portico_counts a collection has minus its cid in the place of an iid, and an empty
// key.

// Bounds of counters.
const (
	worthCounting = 1024 // entries: what is counted in no time needs no counter
	worthAll      = 512  // documents, which takes longer; by the number of the row
	maxCounters   = 20_000
)

const createCounts = "CREATE TABLE portico_counts(iid INTEGER NOT NULL, key BLOB NOT NULL, n INTEGER NOT NULL, PRIMARY KEY(iid, key)) WITHOUT ROWID"

// Statements.
const (
	findCount   = "SELECT n FROM portico_counts WHERE iid=? AND key=?"
	addToCount  = "UPDATE portico_counts SET n=n+? WHERE iid=? AND key=?"
	insertCount = "INSERT OR REPLACE INTO portico_counts(n, iid, key) VALUES(?,?,?)"
	dropCounts  = "DELETE FROM portico_counts WHERE iid=?"
)

// counters are those that there are, by iid and key. They belong to the writer.
type counters map[int64]map[string]bool

func (c counters) add(iid int64, key []byte) {
	if c[iid] == nil {
		c[iid] = make(map[string]bool)
	}
	c[iid][string(key)] = true
}

func (c counters) size() (n int) {
	for _, keys := range c {
		n += len(keys)
	}
	return n
}

// loadCounters reads which counters there are, once, and again after a transaction has
// failed: it may have made some.
func (w *writer) loadCounters() error {
	if w.counters != nil {
		return nil
	}
	found := make(counters)
	err := w.conn.each("SELECT iid, key FROM portico_counts", func(s *stmt) error {
		found.add(s.int(0), s.blob(1))
		return nil
	})
	if err == nil {
		w.counters = found
	}
	return err
}

// countEdits brings the counters of an index up to date with edits, in order, that are about to go into its runs.
func (w *writer) countEdits(ix *index, list []edit) error {
	w.full = w.full[:0]
	counted := w.counters[ix.iid]
	if len(counted) == 0 {
		return nil
	}
	for len(list) > 0 {
		first := firstString(list[0].key)
		if first == nil {
			list = list[1:]
			continue
		}
		n, sum := 0, int64(0)
		for n < len(list) && bytes.HasPrefix(list[n].key, first) {
			sum += int64(list[n].sign())
			n++
		}
		if sum != 0 && counted[string(first)] {
			if err := w.conn.run(addToCount, sum, ix.iid, first); err != nil {
				return err
			}
		}
		list = list[n:]
	}
	return nil
}

// filled notes that a run is full of these rows: if all have one string as their first key, there may be many
// with it.
func (w *writer) filled(ix *index, rows []row) {
	if ix.keys[0].Desc || len(rows) == 0 {
		return
	}
	first := firstString(rows[0].key)
	if first == nil || !bytes.HasPrefix(rows[len(rows)-1].key, first) || w.counters[ix.iid][string(first)] {
		return
	}
	if n := len(w.full); n == 0 || !bytes.Equal(w.full[n-1], first) {
		w.full = append(w.full, bytes.Clone(first))
	}
}

// beginCounters makes counters for what has turned out to be much.
func (w *writer) beginCounters(ix *index) error {
	for _, key := range w.full {
		if w.counters == nil || w.counters[ix.iid][string(key)] || w.counters.size() >= maxCounters {
			continue
		}
		n, err := ix.inRuns(w.conn, span{key, after(key)}, worthCounting)
		if err == nil && n >= worthCounting {
			err = w.beginCounter(ix, key)
		}
		if err != nil {
			return err
		}
	}
	clear(w.full)
	return nil
}

// beginCounter makes the counter of a string.
func (w *writer) beginCounter(ix *index, key []byte) error {
	n, err := ix.inRuns(w.conn, span{key, after(key)}, -1)
	if err != nil {
		return err
	}
	w.counters.add(ix.iid, key)
	return w.conn.run(insertCount, n, ix.iid, key)
}

// countDocuments brings the counters of collections up to date.
func (w *writer) countDocuments(list []pending) error {
	deltas := make(map[*collection]int64)
	var begin *collection // that has become worth a counter
	for i := range list {
		p := &list[i]
		if len(w.counters[-p.coll.cid]) == 0 {
			if p.kind == store.Insert && p.rid == worthAll {
				begin = p.coll
			}
			continue
		}
		switch p.kind {
		case store.Insert:
			deltas[p.coll]++
		case store.Delete:
			deltas[p.coll]--
		}
	}
	for coll, n := range deltas {
		if err := w.conn.run(addToCount, n, -coll.cid, []byte{}); err != nil {
			return err
		}
	}
	if begin == nil || w.counters.size() >= maxCounters {
		return nil
	}
	return w.countAll(begin)
}

// countAll makes the counter of a collection.
func (w *writer) countAll(coll *collection) error {
	n, err := w.conn.number(coll.byKey.count, []byte{}, []byte{0xFF}, int64(-1))
	if err != nil {
		return err
	}
	w.counters.add(-coll.cid, nil)
	return w.conn.run(insertCount, n, -coll.cid, []byte{})
}

// firstString gives the first part of an ascending key when that is a string, else nil.
func firstString(key []byte) []byte {
	if len(key) == 0 || key[0] != kindByte(store.String("")) {
		return nil
	}
	for i := 1; ; i += 2 {
		n := bytes.IndexByte(key[i:], 0)
		if n < 0 || i+n+1 >= len(key) {
			return nil
		}
		if i += n; key[i+1] == 0 {
			return key[:i+2]
		}
	}
}

// counter gives the counter that holds what is counted, if there may be one: all
// documents, or what the access finds.
func (r *search) counter(all bool) (iid int64, key []byte, ok bool) {
	a := &r.access
	switch {
	case all:
		return -r.coll.cid, []byte{}, true
	case a.ix == nil || a.ix.find == "" || !a.whole() || a.dedupe || len(a.lanes) != 1 || len(a.pins) != 1 || a.pins[0] == nil || a.ix.keys[0].Desc:
		return 0, nil, false
	}
	first := firstString(a.pins[0])
	return a.ix.iid, first, len(first) > 0 && len(first) == len(a.pins[0])
}

// counted gives how many there are by a counter, as of the transaction under way. ix is nil for a collection's.
func (c *conn) counted(ix *index, iid int64, key []byte) (n int64, ok bool, err error) {
	s, err := c.prepare(findCount)
	if err != nil {
		return 0, false, err
	}
	defer s.release()
	if err := s.bind(iid, key); err != nil {
		return 0, false, err
	}
	if ok, err = s.step(); err != nil || !ok {
		return 0, false, err
	}
	n = s.int(0)
	if ix != nil {
		n += more(c.edits(ix), span{key, after(key)})
	}
	return n, true, nil
}

// count makes a counter, in the background.
func (s *Store) count(coll *collection, ix *index, iid int64, key []byte) {
	name := fmt.Sprint(iid, " ", string(key))
	if _, making := s.making.LoadOrStore(name, true); making || s.enter() != nil {
		return
	}
	go func() {
		defer s.leave()
		w := s.writer
		err := w.alone(context.Background(), func() error {
			if w.counters[iid][string(key)] || w.counters.size() >= maxCounters {
				return nil
			}
			if ix != nil {
				return w.beginCounter(ix, key)
			}
			return w.countAll(coll)
		})
		if err != nil {
			s.opts.Log.Warn("a counter could not be made", "error", err)
		}
		s.making.Delete(name)
	}()
}
