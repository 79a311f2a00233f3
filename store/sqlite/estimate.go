package sqlite

import "encoding/binary"

// estimates are how many entries there were in spans that have many, as far as the planner counts
// them. To count them for each search would cost more than to find what it returns, and the choice of an
// access needs no more than about how many there are. They belong to a connection.
type estimates struct {
	known map[string]*estimate
	key   []byte
}

type estimate struct {
	n    int64
	all  bool  // there were no more
	size int64 // of the collection then
	used int
}

// Bounds of estimates.
const (
	worthKnowing = 256 // entries: fewer are counted anew
	maxEstimates = 1024
	maxUses      = 1000 // after which they are counted anew
)

// number gives how many entries of ix there are, or were, in a span, up to the limit or more. size is its
// collection's.
func (e *estimates) number(c *conn, ix *index, s span, size, limit int64) (int64, error) {
	e.key = binary.BigEndian.AppendUint64(e.key[:0], uint64(ix.iid))
	e.key = append(binary.AppendUvarint(e.key, uint64(len(s.low))), s.low...)
	e.key = append(e.key, s.high...)
	if have := e.known[string(e.key)]; have != nil && have.holds(size, limit) {
		have.used++
		return have.n, nil
	}
	n, err := ix.number(c, s, limit)
	if err == nil && n >= worthKnowing {
		if e.known == nil || len(e.known) >= maxEstimates {
			e.known = make(map[string]*estimate)
		}
		e.known[string(e.key)] = &estimate{n: n, all: n < limit, size: size}
	}
	return n, err
}

// holds reports whether an estimate says what is asked, and the collection has not grown much since.
func (e *estimate) holds(size, limit int64) bool {
	return (e.all || e.n >= limit) && e.used < maxUses && size-e.size <= e.size/8
}
