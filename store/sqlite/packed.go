package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/portico-fhir/portico/store"
)

// packed are edits for which nobody looks: in the form in which portico_recent has them, a
// tenth of the memory that those of a recent take. So many more fit, and a run is
// written for many more at once. A store that is being loaded keeps its edits so until something
// is searched for, and an unclean end may leave more than fit otherwise.
type packed struct {
	fresh [][]byte // of a transaction each, the oldest first
	size  int      // bytes of fresh

	frozen [][]byte // older ones, that are being carried out
	upTo   int64    // the transactions up to which frozen has the edits; 0: there is no frozen
	done   place    // behind the edits of frozen that were carried out
	merged *merger  // of frozen, from done on; nil: it is yet to be made
	turns  int      // how often merged was asked
}

// Bounds of what is carried out at once.
const (
	packedEdits = 1 << 16 // edits in memory, as such
	packedTidy  = 1 << 18 // edits in a transaction while nothing else is to do
	packedShare = 8       // of the file's size is how much is packed before it is carried out
)

func (p *packed) empty() bool { return len(p.fresh) == 0 && p.upTo == 0 }

// add packs the edits of one more transaction.
func (p *packed) add(edits []byte) { p.fresh, p.size = append(p.fresh, edits), p.size+len(edits) }

// freeze makes all that is packed what is to be carried out.
func (p *packed) freeze(upTo int64) {
	p.frozen, p.fresh, p.size = p.fresh, nil, 0
	p.upTo, p.done, p.merged = upTo, place{}, nil
}

// undone gives what p was before a transaction that failed.
func (p *packed) undone(before packed) packed {
	if p.turns != before.turns {
		before.merged = nil
	}
	return before
}

// pack does what remember does, for edits that nobody looks for.
func (w *writer) pack(fresh batch, due int, freeze bool) error {
	p := &w.packed
	if fresh.count == 0 && p.empty() {
		return nil
	}
	next := &recent{seq: w.kept().seq + 1}
	w.encoded = w.appendBatch(w.encoded[:0], fresh)
	edits := bytes.Clone(w.encoded)
	if len(edits) > 0 {
		p.add(edits)
	}
	if p.upTo == 0 && !freeze && p.size >= w.store.opts.Recent/8 {
		most, err := w.packedMost()
		if err != nil {
			return err
		}
		freeze = p.size >= most
	}
	if p.upTo == 0 && freeze {
		p.freeze(next.seq)
	}
	if err := w.carryPacked(next.seq, due); err != nil {
		return err
	}
	if p.empty() {
		edits = nil
	}
	if err := w.conn.run(insertRecent, next.seq, blob(edits), p.upTo, blob(appendPlace(nil, p.done))); err != nil {
		return err
	}
	w.next = next
	w.store.versions.put(next)
	for _, q := range fresh.parts {
		w.store.packed.Store(q.iid, true)
	}
	return nil
}

// packedMost gives how many bytes are packed before they are carried out. To carry them out most runs
// are written, however many edits there are: the larger the file, the more it pays to wait.
func (w *writer) packedMost() (int, error) {
	pages, err := w.conn.pragmaInt("page_count")
	if err != nil {
		return 0, err
	}
	size, err := w.conn.pragmaInt("page_size")
	if err != nil {
		return 0, err
	}
	return min(int(pages*size/packedShare), w.store.opts.Recent), nil
}

// carryPacked writes about as many of the frozen edits into the runs as due says, in the transaction seq.
func (w *writer) carryPacked(seq int64, due int) error {
	p := &w.packed
	if p.upTo == 0 {
		return nil
	}
	if p.merged == nil {
		var err error
		if p.merged, err = newMerger(p.frozen, p.done); err != nil {
			return err
		}
	}
	for due > 0 {
		p.turns++
		iid, list, err := p.merged.take(min(due, packedEdits))
		if err != nil {
			return err
		}
		if iid == 0 {
			upTo := p.upTo
			p.frozen, p.upTo, p.done, p.merged = nil, 0, place{}, nil
			return w.conn.run(dropRecent, upTo, seq)
		}
		if len(list) == 0 {
			continue
		}
		last := list[len(list)-1].row
		p.done = place{iid, row{bytes.Clone(last.key), last.rid}}
		if err := w.writeEdits(iid, list); err != nil {
			return err
		}
		due -= len(list)
	}
	return nil
}

// unpack carries out all that is packed, in as many transactions as it takes, and packs no more.
func (w *writer) unpack() error {
	for !w.packed.empty() {
		if err := w.carryOutSome(); err != nil {
			return err
		}
	}
	w.store.packing.Store(false)
	return nil
}

// searchable makes sure that a search finds all entries it may need. A store that is being loaded
// becomes one as any other by it.
func (s *Store) searchable(ctx context.Context, q store.Query) error {
	if !s.packing.Load() {
		return nil
	}
	coll := s.catalog.Load().collections[q.Collection]
	if coll == nil || !slices.ContainsFunc(touched(q.Where, q.Order), func(field string) bool { return field != "_id" }) {
		return nil
	}
	for _, ix := range coll.indexes {
		if _, lacks := s.packed.Load(ix.iid); lacks {
			return s.writer.do(&request{ctx: ctx, alone: s.writer.unpack})
		}
	}
	return nil
}

// loadEdits reads the edits that the last transactions left to be carried out. What is more than a
// recent should hold, since a load was broken off, is carried out now.
func (w *writer) loadEdits() error {
	size, err := w.conn.number("SELECT coalesce(sum(length(edits)), 0) FROM portico_recent")
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", w.store.path, err)
	}
	if !w.store.opts.Loading && size <= int64(w.store.opts.Recent/4) {
		w.conn.recent, err = loadRecent(w.conn)
		if err == nil {
			w.store.versions.put(w.conn.recent)
		}
		return err
	}
	if err := w.loadPacked(); err != nil {
		return fmt.Errorf("sqlite: %s: %w", w.store.path, err)
	}
	w.store.packing.Store(true)
	if w.store.opts.Loading {
		return nil
	}
	w.store.opts.Log.Info("index entries that a load left are put in their places", "bytes", size)
	return w.unpack()
}

// loadPacked reads what portico_recent has, as it is.
func (w *writer) loadPacked() error {
	c, p, last := w.conn, &w.packed, new(recent)
	var err error
	if last.seq, p.upTo, p.done, err = c.carried(); err != nil {
		return err
	}
	err = c.each("SELECT seq, edits FROM portico_recent ORDER BY seq", func(s *stmt) error {
		edits := bytes.Clone(s.blob(1))
		switch {
		case len(edits) == 0:
		case s.int(0) <= p.upTo:
			p.frozen = append(p.frozen, edits)
		default:
			p.add(edits)
		}
		return eachPart(edits, func(iid int64, _, _ []byte) error {
			w.store.packed.Store(iid, true)
			return nil
		})
	})
	c.recent = last
	w.store.versions.put(last)
	return err
}

// merger goes through the edits of many batches, as appendBatch wrote each, in the order of their places.
type merger struct {
	parts   map[int64][]*stream
	iids    []int64 // of indexes that are not begun
	iid     int64   // the index under way; 0: none
	streams []*stream
	list    []edit
	keys    []byte
}

// newMerger begins behind a place.
func newMerger(batches [][]byte, behind place) (*merger, error) {
	m := &merger{parts: make(map[int64][]*stream)}
	for _, data := range batches {
		if err := eachPart(data, func(iid int64, came, gone []byte) error {
			if iid < behind.iid {
				return nil
			}
			for _, s := range []*stream{{data: came}, {data: gone, gone: true}} {
				if err := s.begin(); err != nil {
					return err
				}
				m.parts[iid] = append(m.parts[iid], s)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	for iid := range m.parts {
		m.iids = append(m.iids, iid)
	}
	slices.Sort(m.iids)
	if len(m.iids) > 0 && m.iids[0] == behind.iid {
		for _, s := range m.parts[behind.iid] {
			for more := true; more; {
				var err error
				if more, err = s.next(); err != nil {
					return nil, err
				}
				if more && compareRows(s.row, behind.row) > 0 {
					s.ahead, more = true, false
				}
			}
		}
	}
	return m, nil
}

// take gives the next edits of one index, at most n and one for each row, valid until the next
// call; none of an index when what came and went is the same. With 0 for the index there are no more.
func (m *merger) take(n int) (iid int64, list []edit, err error) {
	if len(m.streams) == 0 {
		if len(m.iids) == 0 {
			return 0, nil, nil
		}
		m.iid, m.iids = m.iids[0], m.iids[1:]
		for _, s := range m.parts[m.iid] {
			more, err := s.next()
			if err != nil {
				return 0, nil, err
			}
			if more {
				m.streams = append(m.streams, s)
			}
		}
		delete(m.parts, m.iid)
		for i := len(m.streams)/2 - 1; i >= 0; i-- {
			m.sink(i)
		}
	}
	m.list, m.keys = m.list[:0], m.keys[:0]
	for len(m.list) < n && len(m.streams) > 0 {
		// keys may move; what rows have of it before stays as it was.
		start := len(m.keys)
		m.keys = append(m.keys, m.streams[0].row.key...)
		e := edit{row: row{m.keys[start:len(m.keys):len(m.keys)], m.streams[0].row.rid}}
		sum := 0
		for len(m.streams) > 0 && compareRows(m.streams[0].row, e.row) == 0 {
			if m.streams[0].gone {
				sum--
			} else {
				sum++
			}
			if err := m.advance(); err != nil {
				return 0, nil, err
			}
		}
		if sum != 0 {
			e.gone = sum < 0
			m.list = append(m.list, e)
		}
	}
	return m.iid, m.list, nil
}

// advance lets the first stream go on.
func (m *merger) advance() error {
	more, err := m.streams[0].next()
	if err != nil {
		return err
	}
	if !more {
		last := len(m.streams) - 1
		m.streams[0] = m.streams[last]
		m.streams[last] = nil
		m.streams = m.streams[:last]
	}
	m.sink(0)
	return nil
}

// sink puts a stream in its place in the heap: below those that stand before it.
func (m *merger) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.streams); child++ {
			if compareRows(m.streams[child].row, m.streams[least].row) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		m.streams[i], m.streams[least] = m.streams[least], m.streams[i]
		i = least
	}
}

// stream reads the rows of a run that is not of one size, one by one.
type stream struct {
	row   row // that was read last; its key changes with the next
	gone  bool
	ahead bool // row is yet to be given
	left  int64
	data  []byte
}

func (s *stream) begin() (err error) {
	s.left, err = runLength(s.data)
	if err == nil {
		s.data = s.data[uvarintSize(s.data):]
	}
	return err
}

// next reads a row; false at the end.
func (s *stream) next() (bool, error) {
	if s.ahead {
		s.ahead = false
		return true, nil
	}
	if s.left == 0 {
		if len(s.data) > 0 {
			return false, errRun()
		}
		return false, nil
	}
	s.left--
	shared, follow, n := readTurn(s.data, len(s.row.key))
	if n == 0 {
		return false, errRun()
	}
	s.row.key = append(s.row.key[:shared], s.data[n:n+follow]...)
	rid, size := binary.Uvarint(s.data[n+follow:])
	if size <= 0 {
		return false, errRun()
	}
	s.row.rid, s.data = int64(rid), s.data[n+follow+size:]
	return true, nil
}
