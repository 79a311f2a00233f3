package exact

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// TestG7_14_PagesStayCorrect pages through what matches while other resources
// come, change and go: what matched unchanged from the first to the last page is
// there exactly once.
func TestG7_14_PagesStayCorrect(t *testing.T) {
	t.Parallel()
	const stable, moving = 12, 8
	observation := func(id string, code string, day int) Resource {
		return Resource{Type: "Observation", ID: id, Body: fmt.Sprintf(
			`{"status":"final","code":{"coding":[{"code":%q,"display":"Heart"}]},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2024-01-%02d"}`, code, day)}
	}
	backends.Each(t, func(t *testing.T, name string, st store.Store) {
		s := newServer(t, st, time.UTC)
		rounds := 0
		rapid.Check(t, func(t *rapid.T) {
			if rounds++; name == "mongo" && rounds > 10 {
				return
			}
			ctx := t.Context()
			day := func() int { return rapid.IntRange(1, 6).Draw(t, "day") }
			for i := range stable {
				if err := s.put(ctx, observation(fmt.Sprintf("s%d", i), "x", day())); err != nil {
					t.Fatal(err)
				}
			}
			query := rapid.SampledFrom([]string{
				"patient=p&code=x", "code=x&_sort=date", "code=x&_sort=-date", "code:text=heart", "_sort=_id", "_sort=-_lastUpdated", "date=ge2024", "code:not=y",
			}).Draw(t, "query")
			params := pairs(query + "&_count=" + fmt.Sprint(rapid.IntRange(1, 5).Draw(t, "count")))
			seen := map[string]int{}
			for params != nil {
				req, err := s.parser.Parse("Observation", params, false, "test")
				if err != nil {
					t.Fatal(err)
				}
				page, err := s.Search(ctx, req.Query)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Resources {
					seen[r.ID]++
				}
				params = next(req, page.Next)
				for range rapid.IntRange(0, 3).Draw(t, "writes") {
					id := fmt.Sprintf("m%d", rapid.IntRange(0, moving-1).Draw(t, "moving"))
					r := observation(id, rapid.SampledFrom([]string{"x", "y"}).Draw(t, "code"), day())
					write := s.put
					if rapid.Bool().Draw(t, "remove") {
						write = s.remove
					}
					if err := write(ctx, r); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i := range stable {
				if id := fmt.Sprintf("s%d", i); seen[id] != 1 {
					t.Errorf("%s: %s is there %d times", query, id, seen[id])
				}
			}
		})
	})
}

// next gives the parameters of the next page, nil behind the last.
func next(req *search.Request, position string) []search.Pair {
	if position == "" {
		return nil
	}
	return req.NextPairs(position)
}
