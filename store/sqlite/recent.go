package sqlite

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"sync/atomic"
)

// recent is what the last writes change in the entries of indexes and what is not in
// the runs yet. A document has dozens of entries, each with its place in another run: to
// rewrite all these runs for each document costs more than all the rest of a write. So
// edits are kept in memory, and in portico_recent for the next start, until there are so many
// that most runs take several at once. Whoever reads runs reads them with these edits.
//
// A recent never changes: each transaction that writes entries makes the next one.
type recent struct {
	seq     int64   // of the transaction: its row in portico_recent
	batches []batch // the oldest first, each at least half as large as the one before
	frozen  batch   // older than those: what is being carried out, from its start to its end
	upTo    int64   // the transactions up to which frozen has the edits; 0: there is no frozen
	done    place   // behind the edits of frozen that were carried out
}

// batch holds edits of some transactions in a row, those of each index in order.
type batch struct {
	parts []part // by iid
	count int    // of edits
	size  int    // bytes of memory, about
}

// part holds the edits of one index in the order of its rows, one for each.
type part struct {
	iid  int64
	list []edit
	size int // bytes of memory, about
}

// edit says that an entry came to be, which was not there before, or that it went.
type edit struct {
	row
	gone bool
	net  int32 // how many more came than went, from the start of the part to here
}

// place is where an edit stands among all; the zero value is before all.
type place struct {
	iid int64
	row row
}

// editSize is about what an edit takes besides its key.
const editSize = 48

func (e *edit) sign() int32 {
	if e.gone {
		return -1
	}
	return 1
}

// net gives edits in order and one for each row, of those that come to something: what came
// and went is gone.
func net(list []edit) []edit {
	order := make([]standing, len(list))
	for i := range list {
		order[i].at = int32(i)
	}
	sortFrom(order, list, 0)
	kept := make([]edit, 0, len(list))
	for len(order) > 0 {
		first := &list[order[0].at]
		n, sum := 1, first.sign()
		for n < len(order) && compareRows(first.row, list[order[n].at].row) == 0 {
			sum += list[order[n].at].sign()
			n++
		}
		if sum != 0 {
			kept = append(kept, edit{row: first.row, gone: sum < 0})
		}
		order = order[n:]
	}
	return kept
}

// standing is what is sorted in the place of an edit.
type standing struct {
	part uint64 // of its key
	at   int32
}

// sortFrom puts in order what has the same first bytes, so many: by the eight that follow, and
// what has those in common by the next. So most keys are looked at a few times only.
func sortFrom(order []standing, list []edit, depth int) {
	whole := true // all keys have as many bytes
	for i := range order {
		key := list[order[i].at].key[depth:]
		if len(key) < 8 {
			whole = false
			break
		}
		order[i].part = binary.BigEndian.Uint64(key)
	}
	if !whole || len(order) < 4 {
		slices.SortFunc(order, func(a, b standing) int { return compareRows(list[a.at].row, list[b.at].row) })
		return
	}
	slices.SortFunc(order, func(a, b standing) int { return cmp.Compare(a.part, b.part) })
	for len(order) > 0 {
		n := 1
		for n < len(order) && order[n].part == order[0].part {
			n++
		}
		if n > 1 {
			sortFrom(order[:n], list, depth+8)
		}
		order = order[n:]
	}
}

// add puts the edits of an index, as net gives them, behind those of others with a lower iid.
func (l *batch) add(iid int64, list []edit) {
	if len(list) == 0 {
		return
	}
	p, sum := part{iid: iid, list: list}, int32(0)
	for i := range list {
		sum += list[i].sign()
		list[i].net = sum
		p.size += editSize + len(list[i].key)
	}
	l.take(p)
}

func (l *batch) take(p part) {
	l.count, l.size, l.parts = l.count+len(p.list), l.size+p.size, append(l.parts, p)
}

// cut drops the first n edits, all of one part.
func (l *batch) cut(n int) {
	first := l.parts[0]
	l.count -= n
	if n == len(first.list) {
		l.size, l.parts = l.size-first.size, l.parts[1:]
		return
	}
	first.list = first.list[n:]
	l.parts = append([]part{first}, l.parts[1:]...)
}

// join gives what two batches come to, the first one being the older.
func join(a, b batch) batch {
	var l batch
	for len(a.parts) > 0 || len(b.parts) > 0 {
		switch {
		case len(b.parts) == 0 || len(a.parts) > 0 && a.parts[0].iid < b.parts[0].iid:
			l.take(a.parts[0])
			a.parts = a.parts[1:]
		case len(a.parts) == 0 || b.parts[0].iid < a.parts[0].iid:
			l.take(b.parts[0])
			b.parts = b.parts[1:]
		default:
			l.add(a.parts[0].iid, joinLists(a.parts[0].list, b.parts[0].list))
			a.parts, b.parts = a.parts[1:], b.parts[1:]
		}
	}
	return l
}

func joinLists(a, b []edit) []edit {
	list := make([]edit, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := compareRows(a[0].row, b[0].row); {
		case c < 0:
			list, a = append(list, a[0]), a[1:]
		case c > 0:
			list, b = append(list, b[0]), b[1:]
		default:
			if a[0].gone == b[0].gone {
				list = append(list, b[0])
			}
			a, b = a[1:], b[1:]
		}
	}
	return append(append(list, a...), b...)
}

// with gives the next recent: r, and the edits of one more transaction.
func (r *recent) with(fresh batch) *recent {
	next := *r
	next.seq++
	next.batches = slices.Clone(r.batches)
	if fresh.count == 0 {
		return &next
	}
	next.batches = append(next.batches, fresh)
	for n := len(next.batches); n > 1 && next.batches[n-2].count < 2*next.batches[n-1].count; n-- {
		next.batches[n-2] = join(next.batches[n-2], next.batches[n-1])
		next.batches = next.batches[:n-1]
	}
	return &next
}

// freeze makes all batches the one to be carried out. There is no other.
func (r *recent) freeze() {
	for _, l := range slices.Backward(r.batches) {
		r.frozen = join(l, r.frozen)
	}
	r.batches, r.upTo, r.done = nil, r.seq, place{}
}

// size is how much memory the edits take, but for those that are carried out.
func (r *recent) size() (n int) {
	for i := range r.batches {
		n += r.batches[i].size
	}
	return n
}

// empty reports whether there are no edits.
func (r *recent) empty() bool { return r.frozen.count == 0 && len(r.batches) == 0 }

// of gives the edits of an index, one list for each batch that has some.
func (r *recent) of(iid int64) [][]edit {
	if r == nil || r.empty() {
		return nil
	}
	var lists [][]edit
	if list := r.frozen.of(iid); len(list) > 0 {
		lists = append(lists, list)
	}
	for i := range r.batches {
		if list := r.batches[i].of(iid); len(list) > 0 {
			lists = append(lists, list)
		}
	}
	return lists
}

func (l *batch) of(iid int64) []edit {
	i := sort.Search(len(l.parts), func(i int) bool { return l.parts[i].iid >= iid })
	if i == len(l.parts) || l.parts[i].iid != iid {
		return nil
	}
	return l.parts[i].list
}

// behind gives the edits of l that stand behind a place.
func (l *batch) behind(p place) batch {
	var rest batch
	for _, q := range l.parts {
		if q.iid < p.iid {
			continue
		}
		list := q.list
		if q.iid == p.iid {
			list = list[sort.Search(len(list), func(i int) bool { return compareRows(list[i].row, p.row) > 0 }):]
		}
		rest.add(q.iid, slices.Clone(list))
	}
	return rest
}

// versions are the last recents, by seq: a reader takes the one of its snapshot. They are few, since
// after a large transaction each is a copy.
type versions [4]atomic.Pointer[recent]

func (v *versions) put(r *recent) { v[r.seq%int64(len(v))].Store(r) }

// at gives the recent of a transaction, or nil when many have come since.
func (v *versions) at(seq int64) *recent {
	if r := v[seq%int64(len(v))].Load(); r != nil && r.seq == seq {
		return r
	}
	return nil
}
