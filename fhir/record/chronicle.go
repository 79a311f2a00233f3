package record

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// chronicle is the history of all resources of some types on its way (R4
// 3.1.0.11): the versions in <Type> and <Type>_history in one order.
type chronicle struct {
	*Repository
	q     fhir.HistoryQuery
	types []fhir.Type
	after *place // the last version on the page before; nil on the first
	of    progress

	low, high time.Time // of At
}

// chronicle answers q for several resources.
func (r *Repository) chronicle(ctx context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	c := chronicle{Repository: r, q: q}
	if q.Cursor != "" {
		at, of, ok := parsePlace(q.Cursor)
		if !ok {
			return fhir.Page{}, badHistoryCursor()
		}
		c.after, c.of = &at, of
	} else {
		latest, until, err := r.horizonNow(ctx, q)
		if err != nil {
			return fhir.Page{}, err
		}
		c.of.until = until.UnixMilli()
		if !latest.IsZero() {
			c.of.latest = latest.UnixMilli()
		}
	}
	if q.At != nil {
		c.low, c.high = q.At.Range(r.location())
	}
	var err error
	if c.types, err = r.chronicled(ctx, q); err != nil {
		return fhir.Page{}, err
	}
	found := newest{count: q.Count, oldest: q.Oldest}
	for _, t := range c.types {
		// The current versions first: what they do not show when they are read has been
		// moved to the history before.
		for _, old := range []bool{false, true} {
			if err := c.read(ctx, t, old, &found); err != nil {
				return fhir.Page{}, err
			}
		}
	}
	if q.Cursor == "" {
		if c.of.total, err = c.total(ctx, &found); err != nil {
			return fhir.Page{}, err
		}
	}
	page := found.page(c.of)
	page.Resources, err = c.settle(ctx, found.items)
	return page, err
}

// settle leaves out what ended before At without saying so.
func (c *chronicle) settle(ctx context.Context, items []standing) ([]fhir.Resource, error) {
	var resources []fhir.Resource
	for _, s := range items {
		if s.unended && s.Updated.Before(c.low) {
			ok, err := c.lasted(ctx, s.Resource)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		resources = append(resources, s.Resource)
	}
	return resources, nil
}

// chronicled gives the types that q is about and that there are records of.
func (r *Repository) chronicled(ctx context.Context, q fhir.HistoryQuery) ([]fhir.Type, error) {
	if q.Key.Type != "" {
		if !q.Key.Type.Valid() {
			return nil, fhir.Errorf(fhir.CodeNotFound, "", "There is no resource type %q.", q.Key.Type)
		}
		return []fhir.Type{q.Key.Type}, nil
	}
	types, err := r.kept(ctx)
	if q.Types != nil {
		types = slices.DeleteFunc(types, func(t fhir.Type) bool { return !slices.Contains(q.Types, t) })
	}
	return types, err
}

// page gives all but the resources of a page.
func (n *newest) page(of progress) fhir.Page {
	page := fhir.Page{Until: time.UnixMilli(of.until).UTC()}
	if of.total >= 0 {
		page.Total = &of.total
	}
	if n.more {
		page.Next = n.items[len(n.items)-1].cursor(of)
	}
	return page
}

// read offers the versions in one collection to found, as long as it takes them.
func (c *chronicle) read(ctx context.Context, t fhir.Type, old bool, found *newest) error {
	for doc, err := range c.Store.Find(ctx, c.find(t, old)) {
		if err != nil {
			return fault("history", err)
		}
		p, ok := placeOf(t, doc, old)
		if !ok {
			return fmt.Errorf("record: history: %w: a version of %s without its place", store.ErrCorrupt, t)
		}
		if !found.admits(p) {
			return nil
		}
		v, err := decode(p.id, doc)
		if err != nil {
			return fault("history", err)
		}
		id, _, _ := strings.Cut(p.id, "/")
		found.add(standing{p, v.resource(fhir.Key{Type: t, ID: id}), old && c.q.At != nil && v.ended.IsZero()})
	}
	return nil
}

// placeOf reads the place of a document.
func placeOf(t fhir.Type, doc store.Doc, old bool) (place, bool) {
	p := place{typ: t}
	var ok [3]bool
	p.updated, ok[0] = doc.Lookup(fieldUpdated).DateTimeOK()
	p.id, ok[1] = store.ID(doc).StringValueOK()
	if old {
		p.owner, _ = doc.Lookup(fieldOwner).StringValueOK()
		return p, ok[0] && ok[1]
	}
	var number int64
	number, ok[2] = doc.Lookup(fieldVersion).AsInt64OK()
	p.owner, p.id = p.id, historyID(p.id, number)
	return p, ok[0] && ok[1] && ok[2]
}

// find is the query for what can stand on the page, in its order.
func (c *chronicle) find(t fhir.Type, old bool) store.Query {
	q := store.Query{Collection: collection(t), Limit: c.q.Count + 1}
	desc := !c.q.Oldest
	q.Order = []store.Key{{Path: fieldUpdated, Desc: desc}, {Path: fieldID, Desc: desc}}
	if old {
		q.Collection = historyCollection(t)
		q.Order = slices.Insert(q.Order, 1, store.Key{Path: fieldOwner, Desc: desc})
	}
	if c.after != nil && c.after.typ == t {
		q.After = store.Cursor{date(c.after.updated), c.after.ownerValue()}
		if old {
			q.After = append(q.After, store.String(c.after.id))
		}
	}
	where := c.span(t)
	if old && c.q.At != nil {
		// A version lasts until the next one takes its place.
		where = append(where, store.Or{
			store.Range{Path: fieldUpdated, Low: &store.Bound{Value: instant(c.low), Inclusive: true}},
			store.Range{Path: fieldEnded, Low: &store.Bound{Value: date(c.low.UnixMilli())}},
			store.Exists{Path: fieldEnded},
		})
	}
	if len(where) > 0 {
		q.Where = where
	}
	return q
}

// span bounds the times of versions of a type.
func (c *chronicle) span(t fhir.Type) store.And {
	var low, high *store.Bound
	if !c.q.Since.IsZero() {
		low = &store.Bound{Value: instant(c.q.Since), Inclusive: true}
	}
	if c.q.At != nil {
		high = &store.Bound{Value: instant(c.high)}
	}
	if c.of.latest != 0 && (c.q.At == nil || c.of.latest < c.high.UnixMilli()) {
		high = &store.Bound{Value: date(c.of.latest), Inclusive: true}
	}
	// What came before lies within these bounds. Of versions of one time those of this type
	// may still be to come.
	switch {
	case c.after == nil:
	case c.q.Oldest:
		low = &store.Bound{Value: date(c.after.updated), Inclusive: t <= c.after.typ}
	default:
		high = &store.Bound{Value: date(c.after.updated), Inclusive: t >= c.after.typ}
	}
	if low == nil && high == nil {
		return nil
	}
	return store.And{store.Range{Path: fieldUpdated, Low: low, High: high}}
}

// lasted reports whether an old version that does not say when it ended was still
// current at the start of At.
func (c *chronicle) lasted(ctx context.Context, res fhir.Resource) (bool, error) {
	number, err := strconv.ParseInt(res.Version, 10, 64)
	if err != nil {
		return false, fault("history", err)
	}
	next, err := c.Version(ctx, res.Key, strconv.FormatInt(number+1, 10))
	if err != nil && !next.Deleted {
		return false, err
	}
	return next.Updated.After(c.low), nil
}

// total counts the versions, as long as that is cheap; else it is negative.
func (c *chronicle) total(ctx context.Context, found *newest) (int64, error) {
	if !found.more {
		return int64(len(found.items)), nil
	}
	if c.q.At != nil {
		return -1, nil // old documents would have to be looked at one by one
	}
	var total int64
	for _, t := range c.types {
		for _, name := range []string{collection(t), historyCollection(t)} {
			q := store.Query{Collection: name, Limit: int(maxCounted - total + 1)}
			if where := c.span(t); len(where) > 0 {
				q.Where = where
			}
			n, err := c.Store.Count(ctx, q)
			if err != nil {
				return 0, fault("history", err)
			}
			if total += n; total > maxCounted {
				return -1, nil
			}
		}
	}
	return total, nil
}

// date is a time in milliseconds as it is stored.
func date(ms int64) store.Value { return store.V(time.UnixMilli(ms).UTC()) }
