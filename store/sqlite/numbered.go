package sqlite

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// numbered are strings that many lists have: codes, words. A list has only their numbers.
// What has a number keeps it, so that it does not matter when a list was written.
type numbered struct {
	mu      sync.RWMutex
	numbers map[string]uint32
	list    atomic.Pointer[[][]byte] // by number; only ever added to
}

const createStrings = "CREATE TABLE portico_strings(number INTEGER PRIMARY KEY, string BLOB NOT NULL)"

// Bounds of what gets a number.
const (
	maxNumbered  = 1 << 16 // strings
	maxNamed     = 120     // bytes of one
	minNamed     = 3       // what is shorter takes no more than a number
	often        = 32      // so often it has to come
	forgetsAfter = 1 << 20 // so many others: then all have come half as often
)

// loadNumbered reads the strings that have a number.
func loadNumbered(c *conn) (*numbered, error) {
	n := &numbered{numbers: make(map[string]uint32)}
	var list [][]byte
	err := c.each("SELECT number, string FROM portico_strings ORDER BY number", func(s *stmt) error {
		if s.int(0) != int64(len(list)) {
			return errForm()
		}
		list = append(list, append([]byte(nil), s.blob(1)...))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", c.path, err)
	}
	n.add(list)
	return n, nil
}

// add gives strings the next numbers.
func (n *numbered) add(strings [][]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := append(n.all(), strings...)
	for i := len(list) - len(strings); i < len(list); i++ {
		n.numbers[string(list[i])] = uint32(i)
	}
	n.list.Store(&list)
}

// all are the strings by number, those of lists that a snapshot taken before has included.
func (n *numbered) all() [][]byte {
	if list := n.list.Load(); list != nil {
		return *list
	}
	return nil
}

func (n *numbered) has(s []byte) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, ok := n.numbers[string(s)]
	return ok
}

// encode writes a list, and gives the strings that may be worth a number and have none.
func (n *numbered) encode(list [][]byte) (data []byte, others [][]byte) {
	data = binary.AppendUvarint(append(make([]byte, 0, 8*len(list)), 0), uint64(len(list)))
	n.mu.RLock()
	defer n.mu.RUnlock()
	var last []byte
	for _, s := range list {
		if number, ok := n.numbers[string(s)]; ok {
			data = binary.AppendUvarint(data, uint64(number)<<1|1)
		} else {
			shared := common(last, s)
			data = appendLiteral(data, len(last)-shared, len(s)-shared)
			data = append(data, s[shared:]...)
			if len(s) >= minNamed && len(s) <= maxNamed {
				others = append(others, s)
			}
		}
		last = s
	}
	return data, others
}

// learner finds out which strings come often. It belongs to the writer.
type learner struct {
	seed  maphash.Seed
	tally [1 << 18]uint8 // by hash: of those with the same one, one is taken for the other
	total int
	next  map[string]bool // get a number in the transaction under way
}

func newLearner() *learner {
	return &learner{seed: maphash.MakeSeed(), next: make(map[string]bool)}
}

// note counts strings without a number.
func (l *learner) note(n *numbered, others [][]byte) {
	for _, s := range others {
		t := &l.tally[maphash.Bytes(l.seed, s)%uint64(len(l.tally))]
		if *t++; *t >= often {
			*t = 0
			if len(n.all())+len(l.next) < maxNumbered && !n.has(s) {
				l.next[string(s)] = true
			}
		}
	}
	if l.total += len(others); l.total > forgetsAfter {
		l.total = 0
		for i := range l.tally {
			l.tally[i] /= 2
		}
	}
}

// write gives numbers to what came often, and returns it in their order: lists may use them once the
// transaction is committed.
func (l *learner) write(c *conn, n *numbered) ([][]byte, error) {
	if len(l.next) == 0 {
		return nil, nil
	}
	var list [][]byte
	first := len(n.all())
	for s := range l.next {
		if err := c.run("INSERT INTO portico_strings(number, string) VALUES(?,?)", int64(first+len(list)), []byte(s)); err != nil {
			return nil, err
		}
		list = append(list, []byte(s))
	}
	clear(l.next)
	return list, nil
}
