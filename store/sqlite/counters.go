package sqlite

import (
	"bytes"
	"context"
	"fmt"

	"github.com/portico-fhir/portico/store"
)

// A counter is how many documents a collection has, or how many entries of an index
// have one string as their first key. It is made when such a count took long, changes in
// the transactions that change what it counts, and answers the next count at once.
//
// In portico_counts a collection has minus its cid in the place of an iid, and an empty
// key.

// Bounds of counters.
const (
	worthCounting = 8192 // entries: what is counted in no time needs no counter
	worthAll      = 512  // documents, which takes longer
	maxCounters   = 2000
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

// changed notes that an index has an entry more or less.
func (w *writer) changed(ix *index, key []byte, by int64) {
	counted := w.counters[ix.iid]
	if counted == nil {
		return
	}
	if first := firstString(key); first != nil && counted[string(first)] {
		if w.deltas == nil {
			w.deltas = make(map[string]int64)
		}
		w.deltas[string(first)] += by
	}
}

// writeDeltas brings the counters of an index up to date.
func (w *writer) writeDeltas(ix *index) error {
	for key, n := range w.deltas {
		if err := w.conn.run(addToCount, n, ix.iid, []byte(key)); err != nil {
			return err
		}
	}
	w.deltas = nil
	return nil
}

// countDocuments brings the counters of collections up to date.
func (w *writer) countDocuments(list []pending) error {
	deltas := make(map[*collection]int64)
	for i := range list {
		p := &list[i]
		if len(w.counters[-p.coll.cid]) == 0 {
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
	return nil
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

// counted gives a counter's number as of the transaction under way.
func (c *conn) counted(iid int64, key []byte) (n int64, ok bool, err error) {
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
	return s.int(0), true, nil
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
			n, err := w.countNow(coll, ix, key)
			if err != nil {
				return err
			}
			w.counters.add(iid, key)
			return w.conn.run(insertCount, n, iid, key)
		})
		if err != nil {
			s.opts.Log.Warn("a counter could not be made", "error", err)
		}
		s.making.Delete(name)
	}()
}

// countNow counts what a counter is to hold.
func (w *writer) countNow(coll *collection, ix *index, key []byte) (int64, error) {
	if ix == nil {
		return w.conn.number(coll.byKey.count, []byte{}, []byte{0xFF}, int64(-1))
	}
	return ix.number(w.conn, span{key, after(key)}, -1)
}
