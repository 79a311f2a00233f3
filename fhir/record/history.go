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

// History returns versions, newest first (R4 3.1.0.11). All pages of one resource's
// history show it as it stood when the first was read. The pages of several
// resources' have every version that was there then once, and may have later ones.
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
		cur, err := r.current(ctx, q.Key)
		if err != nil {
			return page, err
		}
		if cur.number == 0 {
			return page, notFound(q.Key)
		}
		if at.first, at.top, err = r.extent(ctx, q, cur); err != nil {
			return page, err
		}
		at.next = at.top
		if at.next >= at.first && at.next == cur.number {
			page.Resources = append(page.Resources, cur.resource(q.Key))
			at.next--
		}
	}
	if err := r.older(ctx, q, &at, &page); err != nil {
		return page, err
	}
	total := at.top - at.first + 1
	page.Total = &total
	if at.next >= at.first {
		page.Next = at.String()
	}
	return page, nil
}

// older fills the page from the history collection and moves at.
func (r *Repository) older(ctx context.Context, q fhir.HistoryQuery, at *historyCursor, page *fhir.Page) error {
	room := q.Count - len(page.Resources)
	if room < 1 || at.next < at.first {
		return nil
	}
	find := store.Query{
		Collection: historyCollection(q.Key.Type),
		Where: store.Range{
			Path: fieldID,
			Low:  &store.Bound{Value: store.String(historyID(q.Key.ID, at.first)), Inclusive: true},
			High: &store.Bound{Value: store.String(historyID(q.Key.ID, at.next)), Inclusive: true},
		},
		Order: []store.Key{{Path: fieldID, Desc: true}},
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
		read++
		size += len(v.body)
	}
	if read < room {
		at.next = at.first - 1
	}
	return nil
}

// extent finds the first and the last version that q asks for; first is above
// last when there are none.
func (r *Repository) extent(ctx context.Context, q fhir.HistoryQuery, cur version) (first, last int64, err error) {
	first, last = 1, cur.number
	if !q.Since.IsZero() {
		first, err = r.firstThat(ctx, q.Key, cur, func(t time.Time) bool { return !t.Before(q.Since) })
	}
	if q.At == nil || err != nil {
		return first, max(last, first-1), err
	}
	low, high := q.At.Range(r.location())
	later, err := r.firstThat(ctx, q.Key, cur, func(t time.Time) bool { return t.After(low) })
	if err != nil {
		return 0, 0, err
	}
	behind, err := r.firstThat(ctx, q.Key, cur, func(t time.Time) bool { return !t.Before(high) })
	// A version lasts until the next one takes its place.
	first, last = max(first, later-1), behind-1
	return first, max(last, first-1), err
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

// historyCursor is a place in a history: the versions from first to next are
// still to come, out of those from first to top.
type historyCursor struct{ next, first, top int64 }

// String gives the form for Page.Next.
func (c historyCursor) String() string { return fmt.Sprintf("%d.%d.%d", c.next, c.first, c.top) }

func parseHistoryCursor(s string) (historyCursor, error) {
	if s == "" {
		return historyCursor{}, nil
	}
	var n [3]int64
	parts := strings.Split(s, ".")
	ok := len(parts) == len(n)
	for i := 0; ok && i < len(n); i++ {
		var err error
		n[i], err = strconv.ParseInt(parts[i], 10, 64)
		ok = err == nil
	}
	if !ok || n[1] < 1 || n[0] < n[1] || n[2] <= n[0] {
		return historyCursor{}, badHistoryCursor()
	}
	return historyCursor{next: n[0], first: n[1], top: n[2]}, nil
}

func badHistoryCursor() error {
	return fhir.Errorf(fhir.CodeInvalid, "", "The page position is damaged. Start again from the first page.")
}
