package sqlite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

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
// index's table holds them: how many there are, and for each how much of the key
// before it to drop, the rest of its own key with its length, and the rid. Before the
// first is the row's own key, the fence. Where as much is dropped as follows, which
// is so for most neighbors, that is said once, and in one byte.

// appendRun writes a run.
func appendRun(dst, fence []byte, rows []row) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(rows)))
	last := fence
	for _, r := range rows {
		n := common(last, r.key)
		dst = appendTurn(dst, len(last)-n, len(r.key)-n)
		dst = append(dst, r.key[n:]...)
		dst = binary.AppendUvarint(dst, uint64(r.rid))
		last = r.key
	}
	return dst
}

// appendTurn writes how many bytes are dropped and how many follow: in one varint
// if that is the same number, else, behind 1, in two.
func appendTurn(dst []byte, drop, follow int) []byte {
	if drop == follow {
		return binary.AppendUvarint(dst, uint64(follow)<<1)
	}
	dst = binary.AppendUvarint(dst, uint64(follow)<<1|1)
	return binary.AppendUvarint(dst, uint64(drop))
}

// readTurn reads what appendTurn wrote, of so many bytes; n is 0 when it is damaged.
func readTurn(data []byte, length int) (shared, follow, n int) {
	v, a := binary.Uvarint(data)
	if a <= 0 {
		return 0, 0, 0
	}
	return turn(v>>1, v&1 == 1, data, a, length)
}

// turn is where so many bytes follow, and n bytes of data say so; another varint, if there is one, says how
// many are dropped.
func turn(follows uint64, another bool, data []byte, n, length int) (shared, follow, size int) {
	drop := follows
	if another {
		v, more := binary.Uvarint(data[n:])
		if more <= 0 {
			return 0, 0, 0
		}
		drop, n = v, n+more
	}
	if drop > uint64(length) || follows > uint64(len(data)-n) {
		return 0, 0, 0
	}
	return length - int(drop), int(follows), n
}

// common is the length of what two keys start with both.
func common(a, b []byte) int {
	n, i := min(len(a), len(b)), 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
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

// run is a run that was read, or a part of it. It is used again and again, for the sake of
// its memory.
type run struct {
	fence []byte
	rows  []row
	keys  []byte // of all rows
	last  []byte // key that was read last
}

// read takes the entries out of a row. It copies what it keeps.
func (r *run) read(fence, data []byte) error { return r.readWithin(fence, data, span{}) }

// readWithin takes those out whose keys lie in a span; one without high has no end.
func (r *run) readWithin(fence, data []byte, s span) error {
	n, err := runLength(data)
	if err != nil {
		return err
	}
	data = data[uvarintSize(data):]
	r.fence = append(r.fence[:0], fence...)
	r.last = append(r.last[:0], fence...)
	r.rows, r.keys = r.rows[:0], r.keys[:0]
	within := len(s.low) == 0
	for range n {
		shared, follow, a := readTurn(data, len(r.last))
		if a == 0 {
			return errRun()
		}
		data = data[a:]
		r.last = append(r.last[:shared], data[:follow]...)
		rid, b := binary.Uvarint(data[follow:])
		if b <= 0 {
			return errRun()
		}
		data = data[follow+b:]
		if !within {
			if bytes.Compare(r.last, s.low) < 0 {
				continue
			}
			within = true
		}
		if s.high != nil && bytes.Compare(r.last, s.high) >= 0 {
			return nil
		}
		// keys may move; what rows held before stays as it was.
		start := len(r.keys)
		r.keys = append(r.keys, r.last...)
		r.rows = append(r.rows, row{r.keys[start:len(r.keys):len(r.keys)], int64(rid)})
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
