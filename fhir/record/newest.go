package record

import (
	"cmp"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// place is where a version stands among those of all resources. It is the same
// in <Type> and in <Type>_history, so that pages stay in step while versions move
// from one to the other.
type place struct {
	updated int64 // milliseconds
	typ     fhir.Type
	owner   string // logical id; empty in a history document that does not name it
	id      string // that of the document in the history
}

// compare orders from the newest to the oldest; at one time by types, and then by
// ids as the indexes stand when they are read backwards.
func (p place) compare(q place) int {
	return cmp.Or(
		cmp.Compare(q.updated, p.updated),
		strings.Compare(string(p.typ), string(q.typ)),
		strings.Compare(q.owner, p.owner),
		strings.Compare(q.id, p.id),
	)
}

// progress is what the pages of one history have in common.
type progress struct {
	total  int64 // negative when it was not counted
	latest int64 // milliseconds; versions after it are not shown; 0: all are
	until  int64 // milliseconds; Page.Until
}

// cursor gives the form for Page.Next.
func (p place) cursor(of progress) string {
	return string(store.Cursor{
		store.V(p.updated), store.String(string(p.typ)), p.ownerValue(), store.String(p.id), store.V(of.total), store.V(of.latest), store.V(of.until),
	}.Marshal())
}

// ownerValue is how the owner compares in the index: what is missing is null.
func (p place) ownerValue() store.Value {
	if p.owner == "" {
		return store.Null()
	}
	return store.String(p.owner)
}

// parsePlace reads what cursor wrote; ok is false for anything else.
func parsePlace(s string) (p place, of progress, ok bool) {
	c, err := store.UnmarshalCursor([]byte(s))
	if err != nil || len(c) != 7 {
		return p, of, false
	}
	var oks [6]bool
	p.updated, oks[0] = c[0].AsInt64OK()
	typ, isString := c[1].StringValueOK()
	p.typ, oks[1] = fhir.Type(typ), isString
	p.owner, _ = c[2].StringValueOK()
	p.id, oks[2] = c[3].StringValueOK()
	of.total, oks[3] = c[4].AsInt64OK()
	of.latest, oks[4] = c[5].AsInt64OK()
	of.until, oks[5] = c[6].AsInt64OK()
	return p, of, !slices.Contains(oks[:], false)
}

// newest keeps the newest versions, or the oldest, of those that it is offered, as
// many as fit a page.
type newest struct {
	count  int
	oldest bool
	items  []standing
	size   int
	more   bool // something did not fit
}

// order is that of the page.
func (n *newest) order(p, q place) int {
	if n.oldest {
		return q.compare(p)
	}
	return p.compare(q)
}

// standing is a version at its place.
type standing struct {
	place
	fhir.Resource
	unended bool // an old version that does not say when it ended
}

// admits reports whether a version at p belongs on the page so far. When one
// does not, none of those behind it does.
func (n *newest) admits(p place) bool {
	full := len(n.items) == n.count || n.size >= maxPage
	if full && n.order(p, n.items[len(n.items)-1].place) > 0 {
		n.more = true
		return false
	}
	return true
}

// add puts a version in its place, and takes out what no longer fits. A version that
// moved while the collections were read comes twice, and counts once.
func (n *newest) add(s standing) {
	i, found := slices.BinarySearchFunc(n.items, s, func(a, b standing) int { return n.order(a.place, b.place) })
	if found {
		return
	}
	n.items = slices.Insert(n.items, i, s)
	n.size += len(s.Body)
	for last := len(n.items) - 1; last >= n.count || last > 0 && n.size-len(n.items[last].Body) >= maxPage; last-- {
		n.size -= len(n.items[last].Body)
		n.items[last] = standing{}
		n.items = n.items[:last]
		n.more = true
	}
}
