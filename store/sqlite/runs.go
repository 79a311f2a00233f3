package sqlite

import "bytes"

// edits are what becomes of the entries of one index by the transactions of a group.
type edits struct {
	ix   *index
	list []edit
}

// writeRuns carries out edits, which are in order and one for each entry. It goes
// from the last run to the first: what stands behind the fence of the run that has
// its place there is all of that run. What comes of that is written from the first to the
// last, which fills SQLite's pages better.
func (w *writer) writeRuns(ix *index, list []edit) error {
	if err := w.countEdits(ix, list); err != nil {
		return err
	}
	find, err := w.conn.prepare(ix.find)
	if err != nil {
		return err
	}
	defer find.release()
	for begun := false; len(list) > 0; begun = true {
		n, err := w.writeRun(find, begun, ix, list)
		if err != nil {
			return err
		}
		list = list[:n]
	}
	if err := w.writePuts(); err != nil {
		return err
	}
	return w.beginCounters(ix)
}

// put is a row to be written: a run that is there, a new one, or one to be removed.
type put struct {
	sql        string
	run, fence []byte // no run: it is removed
	last       bool   // of those that come of one run
}

// writePuts writes what was put by, in the order of the fences.
func (w *writer) writePuts() error {
	puts := w.puts
	w.puts = w.puts[:0]
	for end := len(puts); end > 0; {
		start := end - 1
		for start > 0 && !puts[start-1].last {
			start--
		}
		for _, p := range puts[start:end] {
			args := []any{p.run, p.fence}
			if p.run == nil {
				args = args[1:]
			}
			if err := w.conn.run(p.sql, args...); err != nil {
				return err
			}
		}
		end = start
	}
	clear(puts)
	return nil
}

// writeRun carries out the last edits, those of one run, and gives how many stand before
// them.
func (w *writer) writeRun(find *stmt, begun bool, ix *index, list []edit) (int, error) {
	n := len(list) - 1
	found, err := w.findRun(find, begun, list[n].row)
	if err != nil {
		return 0, err
	}
	for n > 0 && !beforeFence(list[n-1].row, w.place.fence) {
		n--
	}
	rows, appended := merge(w.merged[:0], w.place.rows, list[n:])
	w.putRun(ix, found, rows, appended)
	clear(rows)
	w.merged = rows[:0]
	return n, nil
}

// nearRuns is how many runs are looked at in a row before one is sought: that takes as long.
const nearRuns = 4

// findRun reads the run in which an entry has its place, which when find has begun is before the
// run that it stands at; found is false when the index is empty.
func (w *writer) findRun(find *stmt, begun bool, r row) (found bool, err error) {
	for range nearRuns {
		if !begun {
			break
		}
		if begun, err = find.step(); err != nil {
			return false, err
		}
		if begun && !beforeFence(r, find.blob(0)) {
			return true, w.place.read(find.blob(0), find.blob(1))
		}
	}
	find.reset()
	w.fence = append(w.fence[:0], r.key...)
	w.fence = appendRID(w.fence, r.rid)
	if err := find.bindBlob(0, w.fence); err != nil {
		return false, err
	}
	found, err = find.step()
	if err != nil {
		return false, err
	}
	if !found {
		w.place.fence, w.place.rows = w.place.fence[:0], w.place.rows[:0]
		return false, nil
	}
	return true, w.place.read(find.blob(0), find.blob(1))
}

// beforeFence reports whether an entry belongs to a run before the one with this
// fence.
func beforeFence(r row, fence []byte) bool {
	n := common(r.key, fence)
	switch {
	case n == len(fence):
		return false
	case n == len(r.key):
		var rid [8]byte
		return bytes.Compare(appendRID(rid[:0], r.rid), fence[n:]) < 0
	}
	return r.key[n] < fence[n]
}

// merge gives what rows of an index become by the edits, and whether all of these went to
// the end.
func merge(out, rows []row, list []edit) (_ []row, appended bool) {
	appended = true
	for i := range list {
		e := &list[i]
		n := 0
		for n < len(rows) && compareRows(rows[n], e.row) < 0 {
			n++
		}
		out, rows = append(out, rows[:n]...), rows[n:]
		if len(rows) > 0 {
			appended = false
			if compareRows(rows[0], e.row) == 0 {
				rows = rows[1:]
			}
		}
		if !e.gone {
			out = append(out, e.row)
		}
	}
	return append(out, rows...), appended
}

// putRun puts by the rows to be written in the place of the run that was read, as
// several runs when they have become too many for one.
func (w *writer) putRun(ix *index, found bool, rows []row, appended bool) {
	w.encoded = appendRun(w.encoded[:0], w.place.fence, rows)
	parts := 1 + (len(w.encoded)+len(w.place.fence))/maxRun
	size := len(w.encoded)/parts + 1
	if appended {
		size = maxRun // where entries come in order, the next ones will not come before
	}
	fence := w.place.fence
	for first := true; first || len(rows) > 0; first = false {
		n := len(rows)
		if parts > 1 {
			n = fit(fence, rows, size)
			w.filled(ix, rows[:n])
			w.encoded = appendRun(w.encoded[:0], fence, rows[:n])
		}
		sql := ix.insert
		if first && found {
			sql = ix.update
			if n == 0 && len(fence) > 0 {
				w.puts = append(w.puts, put{sql: ix.remove, fence: bytes.Clone(fence), last: true})
				return
			}
		}
		w.puts = append(w.puts, put{sql: sql, run: bytes.Clone(w.encoded), fence: bytes.Clone(fence), last: n == len(rows)})
		if n < len(rows) {
			fence = fenceBetween(rows[n-1], rows[n])
		}
		rows = rows[n:]
	}
}

// fit gives how many rows make a run of about size bytes: at least one.
func fit(fence []byte, rows []row, size int) int {
	last, total := fence, len(fence)+2
	for i, r := range rows {
		total += len(r.key) - common(last, r.key) + 6
		if total > size && i > 0 {
			return i
		}
		last = r.key
	}
	return len(rows)
}
