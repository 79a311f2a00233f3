package record

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// History returns versions (R4 3.1.0.11). All its pages show it as it stood when the
// first was read; where other processes write to the store, those of several resources may have later
// versions besides.
func (r *Repository) History(ctx context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	if q.Count < 1 {
		return fhir.Page{}, fhir.Errorf(fhir.CodeInvalid, "http.query._count", "A page of history holds at least one version.")
	}
	if q.Key.ID == "" {
		return r.chronicle(ctx, q)
	}
	var page fhir.Page
	at, err := parseHistoryCursor(q.Cursor)
	if err != nil {
		return page, err
	}
	if q.Cursor == "" {
		if at, err = r.begin(ctx, q, &page); err != nil {
			return page, err
		}
	}
	if err := r.fill(ctx, q, &at, &page); err != nil {
		return page, err
	}
	if q.Oldest && at.next == at.top && len(page.Resources) < q.Count {
		if err := r.last(ctx, q, &at, &page); err != nil {
			return page, err
		}
	}
	total := at.top - at.first + 1
	page.Total, page.Until = &total, at.until
	if at.first <= at.next && at.next <= at.top {
		page.Next = at.String()
	}
	return page, nil
}

// begin finds out what the history consists of, and puts the current version on the page
// where it is the first.
func (r *Repository) begin(ctx context.Context, q fhir.HistoryQuery, page *fhir.Page) (at historyCursor, err error) {
	latest, until, err := r.horizonNow(ctx, q)
	if err != nil {
		return at, err
	}
	at.until = until
	cur, err := r.current(ctx, q.Key)
	if err != nil {
		return at, err
	}
	if cur.number == 0 {
		return at, notFound(q.Key)
	}
	if at.first, at.top, err = r.extent(ctx, q, cur, latest); err != nil {
		return at, err
	}
	at.next = at.top
	switch {
	case q.Oldest:
		at.next = at.first
	case at.top >= at.first && at.top == cur.number:
		page.Resources = append(page.Resources, cur.resource(q.Key))
		at.next--
	}
	return at, nil
}

// last puts the version at.top on the page, which was the current one when the first page was
// read, and may be by now in the history.
func (r *Repository) last(ctx context.Context, q fhir.HistoryQuery, at *historyCursor, page *fhir.Page) error {
	v, err := r.current(ctx, q.Key)
	if err == nil && v.number != at.top {
		v, err = r.find(ctx, historyCollection(q.Key.Type), historyID(q.Key.ID, at.top))
	}
	if err != nil {
		return err
	}
	if v.number == at.top {
		page.Resources = append(page.Resources, v.resource(q.Key))
	}
	at.next++
	return nil
}

// fill fills the page from the history collection and moves at.
func (r *Repository) fill(ctx context.Context, q fhir.HistoryQuery, at *historyCursor, page *fhir.Page) error {
	room := q.Count - len(page.Resources)
	low, high := at.first, at.next
	if q.Oldest {
		low, high = at.next, at.top
	}
	if room < 1 || high < low {
		return nil
	}
	find := store.Query{
		Collection: historyCollection(q.Key.Type),
		Where: store.Range{
			Path: fieldID,
			Low:  &store.Bound{Value: store.String(historyID(q.Key.ID, low)), Inclusive: true},
			High: &store.Bound{Value: store.String(historyID(q.Key.ID, high)), Inclusive: true},
		},
		Order: []store.Key{{Path: fieldID, Desc: !q.Oldest}},
		Limit: room,
	}
	size := 0
	for _, res := range page.Resources {
		size += len(res.Body)
	}
	read := 0
	for doc, err := range r.Store.Find(ctx, find) {
		if err == nil && size >= maxPage {
			return nil
		}
		var v version
		if err == nil {
			v, err = decode(q.Key.ID, doc)
		}
		if err != nil {
			return fault("history", err)
		}
		page.Resources = append(page.Resources, v.resource(q.Key))
		at.next = v.number - 1
		if q.Oldest {
			at.next = v.number + 1
		}
		read++
		size += len(v.body)
	}
	switch {
	case read == room:
	case q.Oldest:
		at.next = max(at.next, at.top) // of all, only the last is not in the history yet
	default:
		at.next = at.first - 1
	}
	return nil
}

// extent finds the first and the last version that q asks for, up to the time latest if it
// is not zero; first is above last when there are none.
func (r *Repository) extent(ctx context.Context, q fhir.HistoryQuery, cur version, latest time.Time) (first, last int64, err error) {
	last = cur.number
	if !latest.IsZero() && cur.updated.After(latest) {
		beyond, err := r.firstThat(ctx, q.Key, cur, func(t time.Time) bool { return t.After(latest) })
		if err != nil {
			return 0, 0, err
		}
		last = beyond - 1
	}
	if first, err = r.firstKept(ctx, q.Key, cur); err != nil {
		return 0, 0, err
	}
	if !q.Since.IsZero() {
		since, err := r.firstThat(ctx, q.Key, cur, func(t time.Time) bool { return !t.Before(q.Since) })
		if err != nil {
			return 0, 0, err
		}
		first = max(first, since)
	}
	if q.At == nil {
		return first, max(last, first-1), err
	}
	low, high := q.At.Range(r.location())
	later, err := r.firstThat(ctx, q.Key, cur, func(t time.Time) bool { return t.After(low) })
	if err != nil {
		return 0, 0, err
	}
	behind, err := r.firstThat(ctx, q.Key, cur, func(t time.Time) bool { return !t.Before(high) })
	// A version lasts until the next one takes its place.
	first, last = max(first, later-1), min(last, behind-1)
	return first, max(last, first-1), err
}

// firstKept finds the oldest version that was not purged.
func (r *Repository) firstKept(ctx context.Context, key fhir.Key, cur version) (int64, error) {
	first, err := r.find(ctx, historyCollection(key.Type), historyID(key.ID, 1))
	if err != nil || first.number == 1 || cur.number == 1 {
		return 1, err
	}
	find := store.Query{
		Collection: historyCollection(key.Type),
		Where: store.Range{
			Path: fieldID,
			Low:  &store.Bound{Value: store.String(historyID(key.ID, 1)), Inclusive: true},
			High: &store.Bound{Value: store.String(historyID(key.ID, cur.number)), Inclusive: true},
		},
		Order: []store.Key{{Path: fieldID}},
		Limit: 1,
	}
	for doc, err := range r.Store.Find(ctx, find) {
		if err != nil {
			return 0, fault("history", err)
		}
		v, err := decode(key.ID, doc)
		if err != nil {
			return 0, fault("history", err)
		}
		return v.number, nil
	}
	return cur.number, nil
}

// firstThat finds the oldest version whose time is late enough, by bisection: times
// ascend with versions. It is one more than cur's when there is none.
func (r *Repository) firstThat(ctx context.Context, key fhir.Key, cur version, late func(time.Time) bool) (int64, error) {
	if !late(cur.updated) {
		return cur.number + 1, nil
	}
	var failed error
	before := sort.Search(int(cur.number-1), func(i int) bool {
		if failed != nil {
			return true
		}
		v, err := r.find(ctx, historyCollection(key.Type), historyID(key.ID, int64(i)+1))
		if err != nil {
			failed = err
		}
		return late(v.updated)
	})
	return int64(before) + 1, failed
}

// historyCursor is a place in a history of the versions from first to top: next is the
// first of those still to come.
type historyCursor struct {
	next, first, top int64
	until            time.Time
}

// String gives the form for Page.Next.
func (c historyCursor) String() string {
	return fmt.Sprintf("%d.%d.%d.%d", c.next, c.first, c.top, c.until.UnixMilli())
}

func parseHistoryCursor(s string) (historyCursor, error) {
	if s == "" {
		return historyCursor{}, nil
	}
	var n [4]int64
	parts := strings.Split(s, ".")
	ok := len(parts) == len(n)
	for i := 0; ok && i < len(n); i++ {
		var err error
		n[i], err = strconv.ParseInt(parts[i], 10, 64)
		ok = err == nil
	}
	if !ok || n[1] < 1 || n[0] < n[1] || n[2] < n[0] {
		return historyCursor{}, badHistoryCursor()
	}
	return historyCursor{next: n[0], first: n[1], top: n[2], until: time.UnixMilli(n[3]).UTC()}, nil
}

func badHistoryCursor() error {
	return fhir.Errorf(fhir.CodeInvalid, "", "The page position is damaged. Start again from the first page.")
}
