package sqlite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/portico-fhir/portico/store"
)

// portico_recent has a row for each transaction whose edits are not all in the runs: the edits,
// and how far the frozen ones were carried out by then (see recent). The last row stays.
const createRecent = `CREATE TABLE portico_recent(seq INTEGER PRIMARY KEY, edits BLOB NOT NULL, upto INTEGER NOT NULL, done BLOB NOT NULL);
INSERT INTO portico_recent VALUES(1, x'', 0, x'')`

// Statements.
const (
	lastRecent   = "SELECT max(seq) FROM portico_recent"
	insertRecent = "INSERT INTO portico_recent(seq, edits, upto, done) VALUES(?,?,?,?)"
	dropRecent   = "DELETE FROM portico_recent WHERE seq<=? AND seq<?"
)

// remember keeps the edits of the transaction under way, and carries out about as many of
// those that were kept before as due says. With freeze it turns to the next ones even if they
// are few.
func (w *writer) remember(fresh batch, due int, freeze bool) error {
	if w.store.packing.Load() {
		return w.pack(fresh, due, freeze)
	}
	if fresh.count == 0 && w.kept().empty() {
		return nil
	}
	next := w.kept().with(fresh)
	if next.upTo == 0 && (freeze || next.size() >= w.store.opts.Recent) {
		next.freeze()
	}
	if err := w.carryOut(next, due); err != nil {
		return err
	}
	w.encoded = w.encoded[:0]
	if !next.empty() {
		w.encoded = w.appendBatch(w.encoded, fresh)
	}
	if err := w.conn.run(insertRecent, next.seq, blob(w.encoded), next.upTo, blob(appendPlace(nil, next.done))); err != nil {
		return err
	}
	w.next = next
	w.store.versions.put(next) // before a reader can see that it is committed
	return nil
}

// carryOutAll carries out all that is kept.
func (w *writer) carryOutAll() error {
	for !w.tidied() {
		if err := w.remember(batch{}, math.MaxInt, true); err != nil {
			return err
		}
	}
	return nil
}

// tidied reports whether all edits are in the runs.
func (w *writer) tidied() bool { return w.kept().empty() && w.packed.empty() }

// kept gives the edits that the transaction under way sees.
func (w *writer) kept() *recent {
	if w.next != nil {
		return w.next
	}
	return w.conn.recent
}

// blob makes an empty blob one that is not NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// writeEdits writes edits that were kept into the runs of their index.
func (w *writer) writeEdits(iid int64, list []edit) error {
	ix := w.cat.byID(iid)
	if ix == nil {
		return fmt.Errorf("sqlite: entries of an index %d that there is not: %w", iid, store.ErrCorrupt)
	}
	return w.writeRuns(ix, list)
}

// carryOut writes about as many of the frozen edits into the runs as due says.
func (w *writer) carryOut(next *recent, due int) error {
	if next.upTo == 0 {
		return nil
	}
	for due > 0 && next.frozen.count > 0 {
		p := next.frozen.parts[0]
		n := min(due, len(p.list))
		if err := w.writeEdits(p.iid, p.list[:n]); err != nil {
			return err
		}
		due -= n
		next.done = place{p.iid, p.list[n-1].row}
		next.frozen.cut(n)
	}
	if next.frozen.count > 0 {
		return nil
	}
	upTo := next.upTo
	next.frozen, next.upTo, next.done = batch{}, 0, place{}
	return w.conn.run(dropRecent, upTo, next.seq)
}

// appendBatch writes the edits of a batch: for each index its iid, and as runs the
// entries that came and those that went, each with its length in front.
func (w *writer) appendBatch(dst []byte, l batch) []byte {
	var data []byte
	for _, p := range l.parts {
		dst = binary.AppendUvarint(dst, uint64(p.iid))
		for _, gone := range [...]bool{false, true} {
			rows := w.merged[:0]
			for i := range p.list {
				if p.list[i].gone == gone {
					rows = append(rows, p.list[i].row)
				}
			}
			data = appendRun(data[:0], nil, rows)
			dst = append(binary.AppendUvarint(dst, uint64(len(data))), data...)
			clear(rows)
			w.merged = rows[:0]
		}
	}
	return dst
}

// readBatch reads what appendBatch wrote.
func readBatch(data []byte) (l batch, err error) {
	err = eachPart(data, func(iid int64, came, gone []byte) error {
		var list []edit
		for i, data := range [...][]byte{came, gone} {
			var r run
			if err := r.read(nil, data); err != nil {
				return err
			}
			for _, row := range r.rows {
				list = append(list, edit{row: row, gone: i == 1})
			}
		}
		l.add(iid, net(list))
		return nil
	})
	if err != nil {
		return batch{}, err
	}
	return l, nil
}

// eachPart calls f with the runs of each index in what appendBatch wrote.
func eachPart(data []byte, f func(iid int64, came, gone []byte) error) error {
	for last := int64(0); len(data) > 0; {
		iid, n := binary.Uvarint(data)
		if n <= 0 || iid > math.MaxInt64 || int64(iid) <= last {
			return errRun()
		}
		last, data = int64(iid), data[n:]
		var runs [2][]byte
		for i := range runs {
			size, n := binary.Uvarint(data)
			if n <= 0 || size > uint64(len(data)-n) {
				return errRun()
			}
			runs[i], data = data[n:n+int(size)], data[n+int(size):]
		}
		if err := f(last, runs[0], runs[1]); err != nil {
			return err
		}
	}
	return nil
}

func appendPlace(dst []byte, p place) []byte {
	if p.iid == 0 {
		return dst
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.iid))
	return append(appendRID(dst, p.row.rid), p.row.key...)
}

func readPlace(data []byte) (place, error) {
	if len(data) == 0 {
		return place{}, nil
	}
	if len(data) < 16 {
		return place{}, errRun()
	}
	return place{int64(binary.BigEndian.Uint64(data)), row{data[16:], int64(binary.BigEndian.Uint64(data[8:]))}}, nil
}

// carried reads which transaction kept edits last, and how far those up to upTo, which were frozen, were
// carried out by then.
func (c *conn) carried() (seq, upTo int64, done place, err error) {
	err = c.each("SELECT seq, upto, done FROM portico_recent ORDER BY seq DESC LIMIT 1", func(s *stmt) (err error) {
		seq, upTo = s.int(0), s.int(1)
		done, err = readPlace(bytes.Clone(s.blob(2)))
		return err
	})
	return seq, upTo, done, err
}

// loadRecent reads what the last transactions left to be carried out.
func loadRecent(c *conn) (*recent, error) {
	r := new(recent)
	last, upTo, done, err := c.carried()
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", c.path, err)
	}
	frozen := upTo == 0
	freeze := func() {
		r.freeze()
		r.frozen = r.frozen.behind(done)
		r.upTo, r.done, frozen = upTo, done, true
	}
	err = c.each("SELECT seq, edits FROM portico_recent ORDER BY seq", func(s *stmt) error {
		if !frozen && s.int(0) > upTo {
			freeze()
		}
		l, err := readBatch(s.blob(1))
		if err == nil {
			r = r.with(l)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", c.path, err)
	}
	if !frozen {
		freeze()
	}
	r.seq = last
	return r, nil
}

// edits gives those of an index, or of none, that are not in its runs.
func (c *conn) edits(ix *index) [][]edit {
	if ix == nil {
		return nil
	}
	return c.recent.of(ix.iid)
}

// snapshot begins a read transaction, unless one has begun, and takes the edits that
// belong to it.
func (c *conn) snapshot() error {
	if c.versions == nil || c.snapped {
		return nil
	}
	// A reader that was held up for many transactions between its two looks tries again.
	for range 1000 {
		if err := c.run("BEGIN"); err != nil {
			return err
		}
		c.snapped = true
		seq, err := c.number(lastRecent)
		if err != nil {
			return err
		}
		if c.recent = c.versions.at(seq); c.recent != nil {
			return nil
		}
		c.endSnapshot()
	}
	return fmt.Errorf("sqlite: the index entries of a snapshot are gone: %w", store.ErrUnavailable)
}

// endSnapshot ends it, if one has begun.
func (c *conn) endSnapshot() {
	if c.snapped && !c.broken {
		// A read transaction has nothing that could fail to be committed.
		_ = c.run("COMMIT")
	}
	c.snapped, c.recent = false, nil
}
