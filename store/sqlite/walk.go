package sqlite

import (
	"bytes"
	"slices"

	"github.com/portico-fhir/portico/store"
)

// entry is one index entry. Its document is there already when the walk goes
// through the table itself. Its bytes are valid until the walk goes on.
type entry struct {
	key    []byte
	rid    int64
	stored stored
	doc    store.Doc   // of stored, with all fields that the search looks at
	view   *store.View // of doc and what it lacks of them, where it was not put together
}

// walk reads the entries of an access: lane by lane, or merged where the order
// is asked for.
type walk struct {
	conn    *conn
	access  *access
	cursors []cursor
	opened  []*stmt
	current *cursor // whose entry was given last
	merging bool
	started bool
}

// cursor stands in one lane.
type cursor struct {
	stmt  *stmt
	lane  *lane
	next  int // span to read when the statement has no more
	span  span
	bound bool
	on    bool
	entry entry

	runs  bool // the statement gives runs, not documents
	run   *run
	rows  []row    // of the run, still to give
	edits [][]edit // of the index, that are not in the runs
	late  overlay  // those of the span

	// sparing: many lanes are merged, most of which give little. They share one statement
	// and run, and each takes a few entries at a time.
	sparing bool
	last    row // that was taken in this span
}

// Lanes that are merged by reading a few entries at a time.
const (
	manyLanes = 16 // from how many on
	fewRows   = 8  // taken at a time
)

// newWalk opens the statements. coll is read through when the access has no
// index, else it may be nil.
func newWalk(c *conn, coll *collection, a *access) (*walk, error) {
	w := &walk{conn: c, access: a}
	var sql string
	lanes := []lane{{}}
	if a.ix == nil {
		sql = coll.scan
	} else {
		sql, lanes = a.ix.walk, a.lanes
		if a.down {
			sql = a.ix.walkDown
		}
		w.merging = a.ordered && len(a.lanes) > 1
	}
	if len(lanes) > 1 && !w.merging {
		lanes = []lane{{spans: allSpans(lanes)}}
	}
	runs := a.ix != nil && a.ix.find != ""
	shared := cursor{runs: runs, edits: c.edits(a.ix), sparing: runs && len(lanes) >= manyLanes}
	w.cursors = make([]cursor, 0, len(lanes))
	for i := range lanes {
		one := shared
		if !one.sparing || i == 0 {
			s, err := c.prepare(sql)
			if err != nil {
				w.close()
				return nil, err
			}
			w.opened = append(w.opened, s)
			one.stmt, one.run = s, c.spareRun()
			shared.stmt, shared.run = one.stmt, one.run
		}
		one.lane, one.bound = &lanes[i], a.ix == nil
		w.cursors = append(w.cursors, one)
	}
	return w, nil
}

func allSpans(lanes []lane) []span {
	var list []span
	for _, l := range lanes {
		list = append(list, l.spans...)
	}
	return list
}

// close gives the statements back.
func (w *walk) close() {
	for _, s := range w.opened {
		s.release()
	}
	var last *run
	for i := range w.cursors {
		if r := w.cursors[i].run; r != last { // sparing ones share theirs
			w.conn.keepRun(r)
			last = r
		}
	}
	w.cursors, w.opened = nil, nil
}

// next gives the next entry, or nil at the end.
func (w *walk) next() (*entry, error) {
	if len(w.cursors) == 0 {
		return nil, nil
	}
	if !w.merging {
		c := &w.cursors[0]
		if err := c.advance(w.access.down); err != nil || !c.on {
			return nil, err
		}
		return &c.entry, nil
	}
	for i := range w.cursors {
		// At first all of them, then the one whose entry was given last.
		if c := &w.cursors[i]; !w.started || c == w.current {
			if err := c.advance(w.access.down); err != nil {
				return nil, err
			}
		}
	}
	w.started, w.current = true, nil
	for i := range w.cursors {
		if c := &w.cursors[i]; c.on && (w.current == nil || w.before(c, w.current)) {
			w.current = c
		}
	}
	if w.current == nil {
		return nil, nil
	}
	return &w.current.entry, nil
}

// tail gives what follows the lane's prefix in the entry that was given last.
func (w *walk) tail(e *entry) []byte {
	c := &w.cursors[0]
	if w.merging {
		c = w.current
	}
	return e.key[len(c.lane.prefix):]
}

// before compares what follows the lanes' prefixes.
func (w *walk) before(a, b *cursor) bool {
	c := bytes.Compare(a.entry.key[len(a.lane.prefix):], b.entry.key[len(b.lane.prefix):])
	if w.access.down {
		c = -c
	}
	return c < 0
}

// advance goes to the next entry of the lane.
func (c *cursor) advance(down bool) error {
	c.on = false
	for {
		if c.bound && len(c.rows) == 0 {
			if err := c.fill(down); err != nil || c.on {
				return err
			}
		}
		switch {
		case c.late.on && (len(c.rows) == 0 || !before(c.head(down), c.late.ahead.row, down)):
			e := c.late.ahead
			c.late.next(down)
			if len(c.rows) > 0 && compareRows(c.head(down), e.row) == 0 {
				c.pop(down)
			}
			if !e.gone {
				c.entry, c.on = entry{key: e.key, rid: e.rid}, true
				return nil
			}
		case len(c.rows) > 0:
			r := c.pop(down)
			c.entry, c.on = entry{key: r.key, rid: r.rid}, true
			return nil
		case c.next == len(c.lane.spans):
			return nil
		default:
			if err := c.bind(down); err != nil {
				return err
			}
		}
	}
}

// head is the row of the run that is next.
func (c *cursor) head(down bool) row {
	if down {
		return c.rows[len(c.rows)-1]
	}
	return c.rows[0]
}

// pop gives it, and goes on.
func (c *cursor) pop(down bool) row {
	r := c.head(down)
	if down {
		c.rows = c.rows[:len(c.rows)-1]
	} else {
		c.rows = c.rows[1:]
	}
	return r
}

// fill reads the next rows of the span, or the next document. At the end of the span it is no longer bound.
func (c *cursor) fill(down bool) error {
	for c.bound && len(c.rows) == 0 {
		if c.sparing {
			if err := c.take(down); err != nil {
				return err
			}
			continue
		}
		more, err := c.stmt.step()
		switch {
		case err != nil:
			return err
		case !more:
			c.stmt.reset()
			c.bound = false
		case !c.runs:
			return c.read()
		default:
			if err := c.run.readWithin(c.stmt.blob(0), c.stmt.blob(1), c.span); err != nil {
				return err
			}
			c.rows = c.run.rows
		}
	}
	return nil
}

// take reads the next few entries of the span.
func (c *cursor) take(down bool) error {
	defer c.stmt.reset()
	s := c.span
	if c.last.key != nil {
		// Others may have the same key.
		if down {
			s.high = append(bytes.Clone(c.last.key), 0)
		} else {
			s.low = c.last.key
		}
	}
	if err := c.stmt.bindBlob(0, s.low); err != nil {
		return err
	}
	if err := c.stmt.bindBlob(1, s.high); err != nil {
		return err
	}
	for {
		more, err := c.stmt.step()
		if err != nil {
			return err
		}
		if !more {
			c.bound = false
			return nil
		}
		if err := c.run.readWithin(c.stmt.blob(0), c.stmt.blob(1), s); err != nil {
			return err
		}
		if c.keep(c.run.rows, down); len(c.rows) > 0 {
			return nil
		}
	}
}

// keep copies the next few of rows that were not taken yet.
func (c *cursor) keep(rows []row, down bool) {
	if c.last.key != nil {
		rows = slices.DeleteFunc(rows, func(r row) bool {
			n := compareRows(r, c.last)
			return n == 0 || n < 0 != down
		})
	}
	n := min(len(rows), fewRows)
	if down {
		rows = rows[len(rows)-n:]
	} else {
		rows = rows[:n]
	}
	c.rows = make([]row, 0, n)
	for _, r := range rows {
		c.rows = append(c.rows, row{bytes.Clone(r.key), r.rid})
	}
	if n > 0 && down {
		c.last = c.rows[0]
	} else if n > 0 {
		c.last = c.rows[n-1]
	}
}

// turn goes to the next span.
func (c *cursor) turn(down bool) {
	at := c.next
	if down {
		at = len(c.lane.spans) - 1 - at
	}
	c.next++
	c.span = c.lane.spans[at]
}

// bind turns to the next span and reads it.
func (c *cursor) bind(down bool) error {
	c.turn(down)
	if c.edits != nil {
		c.late.start(c.edits, c.span, down)
	}
	if c.sparing {
		c.bound, c.last = true, row{}
		return nil
	}
	if err := c.stmt.bindBlob(0, c.span.low); err != nil {
		return err
	}
	c.bound = true
	return c.stmt.bindBlob(1, c.span.high)
}

func (c *cursor) read() error {
	d, err := document(c.stmt.blob(2))
	if err != nil {
		return err
	}
	c.entry = entry{key: c.stmt.blob(0), rid: c.stmt.int(1), stored: d}
	c.on = true
	return nil
}
