package sqlite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/portico-fhir/portico/store"
)

// row is one entry of an index: its key, and the row of its document.
type row struct {
	key []byte
	rid int64
}

func compareRows(a, b row) int {
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	return int(min(max(a.rid-b.rid, -1), 1))
}

// maxRun is the size from which a run is split. SQLite keeps four rows of that size
// in a page; what is longer goes to pages of its own.
const maxRun = 920

// A run is a stretch of an index's entries in the form in which one row of the
// index's table holds them: how many there are, and for each how much of its key is
// the same as of the one before, the rest of the key, and the rid. The
// first is compared with the row's own key, the fence.

// appendRun writes a run.
func appendRun(dst, fence []byte, rows []row) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(rows)))
	last := fence
	for _, r := range rows {
		n := common(last, r.key)
		dst = binary.AppendUvarint(dst, uint64(n))
		dst = binary.AppendUvarint(dst, uint64(len(r.key)-n))
		dst = append(dst, r.key[n:]...)
		dst = binary.AppendUvarint(dst, uint64(r.rid))
		last = r.key
	}
	return dst
}

// common is the length of what two keys start with both.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// runLength reads how many entries a run has.
func runLength(data []byte) (int64, error) {
	n, size := binary.Uvarint(data)
	if size <= 0 || n > uint64(len(data)) {
		return 0, errRun()
	}
	return int64(n), nil
}

func errRun() error { return fmt.Errorf("sqlite: a run of index entries: %w", store.ErrCorrupt) }

// run is a run that was read. It is used again and again, for the sake of its memory.
type run struct {
	fence []byte
	rows  []row
	keys  []byte // of all rows
}

// read takes the entries out of a row. It copies what it keeps.
func (r *run) read(fence, data []byte) error {
	n, err := runLength(data)
	if err != nil {
		return err
	}
	data = data[uvarintSize(data):]
	r.fence = append(r.fence[:0], fence...)
	r.rows, r.keys = slices.Grow(r.rows[:0], int(n)), r.keys[:0]
	last, start := r.fence, 0
	for range n {
		shared, a := binary.Uvarint(data)
		if a <= 0 || shared > uint64(len(last)) {
			return errRun()
		}
		rest, b := binary.Uvarint(data[a:])
		if b <= 0 || rest > uint64(len(data)-a-b) {
			return errRun()
		}
		data = data[a+b:]
		r.keys = append(append(r.keys, last[:shared]...), data[:rest]...)
		rid, c := binary.Uvarint(data[rest:])
		if c <= 0 {
			return errRun()
		}
		data = data[int(rest)+c:]
		// keys may have moved; what rows held before stays as it was.
		key := r.keys[start:len(r.keys):len(r.keys)]
		r.rows = append(r.rows, row{key, int64(rid)})
		last, start = key, len(r.keys)
	}
	if len(data) > 0 {
		return errRun()
	}
	return nil
}

func uvarintSize(data []byte) int {
	_, n := binary.Uvarint(data)
	return n
}

// within gives the part of the rows whose keys lie in the span, which may end
// before it begins.
func (r *run) within(s span) []row {
	low := r.from(s.low)
	return r.rows[low:max(low, r.from(s.high))]
}

// from gives the place of the first row whose key is not below the given one.
func (r *run) from(key []byte) int {
	i, _ := slices.BinarySearchFunc(r.rows, key, func(r row, key []byte) int { return bytes.Compare(r.key, key) })
	return i
}

// fenceBetween gives the shortest key of a row that keeps b from a, the entry
// before it.
func fenceBetween(a, b row) []byte {
	if n := common(a.key, b.key); n < len(b.key) {
		return bytes.Clone(b.key[:n+1])
	}
	return fenceOf(b)
}

// fenceOf is a key for a row that starts with this entry, whatever is before.
func fenceOf(r row) []byte { return appendRID(bytes.Clone(r.key), r.rid) }

func appendRID(dst []byte, rid int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(rid)) }
