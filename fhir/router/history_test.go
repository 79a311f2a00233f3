package router_test

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/router"
)

// chronicle is a repository whose history is a list, in pages that may be shorter than
// they could be.
type chronicle struct {
	spy
	versions []fhir.Resource // the newest first
	most     int
}

func (c *chronicle) History(_ context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	all := slices.Clone(c.versions)
	if q.Oldest {
		slices.Reverse(all)
	}
	at := 0
	if q.Cursor != "" {
		at, _ = strconv.Atoi(q.Cursor)
	}
	n := min(q.Count, c.most, len(all)-at)
	page := fhir.Page{Resources: all[at : at+n]}
	if at+n < len(all) {
		page.Next = strconv.Itoa(at + n)
	}
	return page, nil
}

func (c *chronicle) Describe(t fhir.Type) fhir.Capability {
	can := c.spy.Describe(t)
	can.HistoryType = !can.None()
	return can
}

func TestTheHistoryOfTheEHRAndTheRecordsIsOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var all []fhir.Resource
		some := func(name string) []fhir.Resource {
			var out []fhir.Resource
			for i := range rapid.IntRange(0, 12).Draw(rt, name) {
				at := time.Unix(int64(rapid.IntRange(0, 9).Draw(rt, "time")), 0)
				out = append(out, fhir.Resource{Key: fhir.Key{Type: "Basic", ID: name + strconv.Itoa(i)}, Updated: at})
			}
			slices.SortStableFunc(out, func(a, b fhir.Resource) int { return b.Updated.Compare(a.Updated) })
			all = append(all, out...)
			return out
		}
		most := rapid.IntRange(1, 5)
		r := &router.Router{
			Mapped:  &chronicle{spy: spy{name: "ehr", types: map[fhir.Type]bool{"Patient": true}}, versions: some("ehr"), most: most.Draw(rt, "page")},
			Records: &chronicle{spy: spy{name: "records"}, versions: some("records"), most: most.Draw(rt, "page")},
		}
		q := fhir.HistoryQuery{Count: rapid.IntRange(1, 7).Draw(rt, "count"), Oldest: rapid.Bool().Draw(rt, "oldest")}
		slices.SortStableFunc(all, func(a, b fhir.Resource) int {
			if q.Oldest {
				a, b = b, a
			}
			return b.Updated.Compare(a.Updated)
		})
		var got []fhir.Resource
		for {
			page, err := r.History(t.Context(), q)
			if err != nil || len(page.Resources) > q.Count {
				rt.Fatal(len(page.Resources), err)
			}
			got = append(got, page.Resources...)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		in := func(a, b fhir.Resource) int { return cmp.Or(a.Updated.Compare(b.Updated), cmp.Compare(a.ID, b.ID)) }
		for i := 1; i < len(got); i++ {
			if c := got[i-1].Updated.Compare(got[i].Updated); c < 0 && !q.Oldest || c > 0 && q.Oldest {
				rt.Errorf("%d stands before %d", got[i-1].Updated.Unix(), got[i].Updated.Unix())
			}
		}
		slices.SortFunc(got, in)
		slices.SortFunc(all, in)
		if diff := gocmp.Diff(all, got); diff != "" {
			rt.Error(diff)
		}
	})
}

func TestCursorsOfAnotherHistoryAreRefused(t *testing.T) {
	t.Parallel()
	r := &router.Router{Mapped: &chronicle{spy: spy{name: "ehr", types: map[fhir.Type]bool{"Patient": true}}}, Records: &chronicle{spy: spy{name: "records"}}}
	for _, cursor := range []string{"x", "!", "eyJ9"} {
		if page, err := r.History(t.Context(), fhir.HistoryQuery{Count: 1, Cursor: cursor}); err == nil {
			t.Errorf("%s gives %v", cursor, page)
		}
	}
}
