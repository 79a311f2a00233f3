package join

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
)

// A search with one chain and no order need not know all that the chain leads to: the
// resources that refer to one target follow those that refer to the one before, and a page takes as
// many targets as fill it. So it costs the same whether there are ten targets or ten thousand.
// That holds where a resource refers to one target at most: else it would come by each.

// Bounds of a walk.
const (
	fewTargets = 4       // that are not walked through: what refers to any of them comes in one order
	mostAtOnce = 500     // targets in one condition
	patience   = 128     // targets that lead to little, before all of them are asked for at once
	maxPage    = 8 << 20 // bytes from which a page is full
)

// walk is a search that may go from target to target.
type walk struct {
	*request
	q     *fhir.Query
	where fhir.And
	chain int // the part of where that is the chain
}

// position is where a page ends.
type position struct {
	IDs   []string `json:"ids,omitempty"`   // targets that are yet to be gone through, few
	Inner []byte   `json:"inner,omitempty"` // within what refers to the first; none: before all of it
	Next  []byte   `json:"next,omitempty"`  // of the targets behind them
	More  bool     `json:"more,omitempty"`  // there may be some
}

// The first byte of a page's position.
const (
	byMerging = 'm' // the rest is a position of inner
	byWalking = 'w' // the rest is a position, as JSON
)

// walk gives the walk for a query, nil when there is none.
func (r *request) walk(q *fhir.Query) *walk {
	if len(q.Sort) > 0 || q.Total || q.Count < 1 {
		return nil
	}
	w := &walk{request: r, q: q, chain: -1}
	var ok bool
	if w.where, ok = q.Where.(fhir.And); !ok {
		w.where = fhir.And{q.Where}
	}
	for i, part := range w.where {
		c, ok := part.(fhir.Chain)
		switch {
		case !joins(part):
		case !ok || w.chain >= 0 || joins(c.Where):
			return nil
		default:
			w.chain = i
		}
	}
	if w.chain < 0 {
		return nil
	}
	c := w.target()
	if r.of(q.Type).can(c.Param) != nil || r.of(c.Target).param(paramURL, fhir.ParamURI) != nil || !r.of(q.Type).single(c.Param) {
		return nil
	}
	return w
}

func (w *walk) target() fhir.Chain { return w.where[w.chain].(fhir.Chain) }

// single reports whether a resource of the type refers to one other at most by p: no element
// on the way there is a list.
func (t *resourceType) single(p *fhir.SearchParam) bool {
	exprs, err := t.paths(p)
	if err != nil || len(exprs) != 1 {
		return false
	}
	n := exprs[0].Root
	if c, ok := n.(*path.Call); ok && c.Name == "where" {
		n = c.Input
	}
	var names []string
	for n != nil {
		m, ok := n.(*path.Member)
		if !ok {
			return false
		}
		names, n = append(names, m.Name), m.Input
	}
	slices.Reverse(names)
	typ := string(t.name)
	if names[0] != typ {
		return false
	}
	for _, name := range names[1:] {
		e, ok := schema.Lookup(typ, name)
		if !ok || e.Many {
			return false
		}
		typ = e.Type
	}
	return typ == "Reference"
}

// search answers the query. What refers to a few targets comes in inner's order, and so does what
// would take a walk through many that lead to little, unless they are too many for that.
func (w *walk) search(ctx context.Context) (fhir.Page, error) {
	mode, at, err := w.open()
	if err != nil {
		return fhir.Page{}, err
	}
	if mode == byWalking {
		if err := w.still(ctx, &at); err != nil {
			return fhir.Page{}, err
		}
		page, _, err := w.page(ctx, at, false)
		return page, err
	}
	first, err := w.load(ctx, nil, w.few+1)
	switch {
	case err != nil && !costly(err):
		return fhir.Page{}, err
	case err == nil && !first.More && len(first.IDs) <= w.few:
		return w.merged(ctx, w.referring(first.IDs))
	case err == nil && w.q.Cursor == "":
		if page, ok, err := w.page(ctx, first, true); ok || err != nil && !costly(err) {
			return page, err
		}
	}
	// What the walk has read does not count: it was given up.
	other := *w.request
	other.reads = 0
	plain, failed := other.plain(ctx, w.q)
	if costly(failed) && err == nil && w.q.Cursor == "" {
		w.reads = 0
		page, _, err := w.page(ctx, first, false)
		return page, err
	}
	if failed != nil {
		return fhir.Page{}, failed
	}
	return w.merged(ctx, plain.Where)
}

// open reads the position that the page begins at. Without one it is neither.
func (w *walk) open() (mode byte, at position, err error) {
	if w.q.Cursor == "" {
		return byMerging, at, nil
	}
	mode = w.q.Cursor[0]
	if mode == byWalking {
		err = json.Unmarshal([]byte(w.q.Cursor[1:]), &at)
	}
	if err != nil || mode != byWalking && mode != byMerging {
		err = fhir.Errorf(fhir.CodeInvalid, "", "The page position is damaged. Search again from the first page.").Because(err)
	}
	return mode, at, err
}

// seal makes the position behind a page.
func (at position) seal() (string, error) {
	b, err := json.Marshal(at)
	return string(byWalking) + string(b), err
}

// merged asks for what meets a condition without the chain, in inner's order.
func (w *walk) merged(ctx context.Context, where fhir.Expr) (fhir.Page, error) {
	q := *w.q
	q.Include, q.Where = nil, where
	if q.Cursor != "" {
		q.Cursor = q.Cursor[1:]
	}
	if never(where) {
		var err error
		if q.Where, err = w.of(q.Type).oneOf([]string{""}); err != nil {
			return fhir.Page{}, err
		}
	}
	page, err := w.inner.Search(ctx, &q)
	if page.Next != "" {
		page.Next = string(byMerging) + page.Next
	}
	return page, err
}

// referring holds for what refers to these targets and meets the other conditions.
func (w *walk) referring(ids []string) fhir.Expr {
	c := w.target()
	or := make(fhir.Or, len(ids))
	for i, id := range ids {
		or[i] = fhir.Term{Param: c.Param, Value: fhir.ReferenceValue{Type: c.Target, ID: id}}
	}
	if len(or) == 0 {
		return or
	}
	where := slices.Clone(w.where)
	where[w.chain] = or
	if len(or) == 1 {
		where[w.chain] = or[0]
	}
	return where
}

// load finds the next targets.
func (w *walk) load(ctx context.Context, next []byte, count int) (position, error) {
	c := w.target()
	page, err := w.ask(ctx, &fhir.Query{Type: c.Target, Where: c.Where, Count: count, Cursor: string(next)})
	at := position{Next: []byte(page.Next), More: page.Next != ""}
	for _, res := range page.Resources {
		at.IDs = append(at.IDs, res.ID)
	}
	return at, err
}

// still drops the targets of a position that are none any more.
func (w *walk) still(ctx context.Context, at *position) error {
	if len(at.IDs) == 0 {
		return nil
	}
	c := w.target()
	where, err := w.of(c.Target).oneOf(at.IDs)
	if err != nil {
		return err
	}
	found := make(map[string]bool)
	for res, err := range w.find(ctx, c.Target, fhir.And{where, c.Where}, len(at.IDs)) {
		if err != nil {
			return err
		}
		found[res.ID] = true
	}
	if !found[at.IDs[0]] {
		at.Inner = nil
	}
	at.IDs = slices.DeleteFunc(at.IDs, func(id string) bool { return !found[id] })
	return nil
}

// ask searches, and counts what was read.
func (w *walk) ask(ctx context.Context, q *fhir.Query) (fhir.Page, error) {
	page, err := w.inner.Search(ctx, q)
	w.reads += 1 + len(page.Resources)
	return page, err
}

// steps is how a page comes about.
type steps struct {
	fhir.Page
	at      position
	start   position // from which at was loaded
	size    int      // bytes on the page
	targets int      // that were gone through
	careful bool     // one target at a time, since several were too many
}

// page goes through targets until the page is full, and on to the next resource, if there is one. With
// impatience it gives up when many targets lead to little: ok is then false.
func (w *walk) page(ctx context.Context, at position, impatient bool) (page fhir.Page, ok bool, err error) {
	s := steps{at: at, start: at}
	for done := false; !done; {
		hits := len(s.Resources)
		if impatient && s.targets > patience && s.targets > 8*hits {
			return fhir.Page{}, false, nil
		}
		if w.reads > w.limits.Reads {
			if hits == 0 {
				return fhir.Page{}, false, w.exhausted()
			}
			s.Next, err = s.before(w.few).seal()
			return s.Page, true, err
		}
		if len(s.at.IDs) == 0 {
			if !s.at.More {
				break
			}
			s.start = position{Next: s.at.Next, More: true}
			if s.at, err = w.load(ctx, s.at.Next, max(w.few, w.guess(&s))); err != nil {
				return fhir.Page{}, false, err
			}
			continue
		}
		if done, err = w.step(ctx, &s); err != nil {
			return fhir.Page{}, false, err
		}
	}
	return s.Page, true, nil
}

// before gives a position in front of the targets that are next, with few of them in it.
func (s *steps) before(few int) position {
	if len(s.at.IDs) > few+1 {
		return s.start
	}
	return s.at
}

// guess gives how many targets are likely to fill half of the rest of the page: what turns out to be too much was
// looked for in vain.
func (w *walk) guess(s *steps) int {
	switch hits := len(s.Resources); {
	case s.careful || s.targets == 0:
		return 1
	case hits == 0:
		return min(2*s.targets, mostAtOnce)
	default:
		return min(max(1, (w.q.Count-hits)*s.targets/hits/2), mostAtOnce)
	}
}

// step takes what refers to the next targets. What refers to several is taken as a whole or not at
// all: a page ends within one target only.
func (w *walk) step(ctx context.Context, s *steps) (done bool, err error) {
	left := w.q.Count - len(s.Resources)
	group := min(w.guess(s), len(s.at.IDs))
	switch {
	case len(s.at.Inner) > 0:
		group = 1
	case len(s.at.IDs) > w.few+1:
		group = len(s.at.IDs) // only a few fit into a position
	}
	q := *w.q
	q.Include, q.Where, q.Count, q.Cursor = nil, w.referring(s.at.IDs[:group]), max(left, 1), string(s.at.Inner)
	found, err := w.ask(ctx, &q)
	if err != nil {
		return false, err
	}
	if left == 0 && len(found.Resources) > 0 {
		s.Next, err = s.before(w.few).seal()
		return true, err
	}
	if found.Next != "" && group > 1 {
		s.at, s.careful = s.before(w.few), true
		return false, nil
	}
	s.Resources = append(s.Resources, found.Resources...)
	for i := range found.Resources {
		s.size += len(found.Resources[i].Body)
	}
	s.at.Inner = []byte(found.Next)
	if found.Next == "" {
		s.at.IDs = s.at.IDs[group:]
		s.targets, s.careful = s.targets+group, false
	}
	full := len(s.Resources) >= w.q.Count
	if s.size >= maxPage && (len(s.at.IDs) > 0 || s.at.More) || full && found.Next != "" {
		s.Next, err = s.before(w.few).seal()
		return true, err
	}
	return false, nil
}
