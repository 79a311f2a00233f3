package record_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// flag is a change of a Flag.
func flag(id, text string) fhir.Change {
	return fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Flag", ID: id}, Body: fmt.Appendf(nil, `{"resourceType":"Flag","code":{"text":%q}}`, text)}
}

// names describes versions as "Basic/a/2".
func names(resources []fhir.Resource) string {
	var parts []string
	for _, res := range resources {
		parts = append(parts, res.Key.String()+"/"+res.Version)
	}
	return strings.Join(parts, " ")
}

// walk reads all pages of a history whose total may be unknown.
func walk(t testing.TB, r *record.Repository, q fhir.HistoryQuery, between func()) (all []fhir.Resource, totals []int64) {
	t.Helper()
	for {
		page, err := r.History(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Resources) > q.Count {
			t.Fatalf("a page of %d, asked for %d", len(page.Resources), q.Count)
		}
		if page.Total != nil {
			totals = append(totals, *page.Total)
		}
		all = append(all, page.Resources...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all, totals
		}
		if between != nil {
			between()
		}
	}
}

// told makes a store in which each commit is a minute after the one before.
func told(t *testing.T, r *record.Repository) {
	t.Helper()
	var c clock
	r.Now = c.now
	for _, changes := range [][]fhir.Change{
		{put("a", "1"), flag("x", "1")},                                  // 0
		{put("a", "2"), put("a-b", "1"), put("a.b", "1"), put("b", "1")}, // 1
		{remove("a"), flag("x", "2")},                                    // 2
		{put("a-b", "2"), put("a.b", "2")},                               // 3
		{put("a", "4"), flag("y", "1")},                                  // 4
		{remove("b"), put("a", "5"), flag("x", "3")},                     // 5
	} {
		commit(t, r, changes...)
		c.advance(time.Minute)
	}
}

func minute(n int) string { return fhir.FormatInstant(newYear.Add(time.Duration(n) * time.Minute)) }

func at(t *testing.T, s string) *fhir.Date {
	t.Helper()
	if s == "" {
		return nil
	}
	d, err := fhir.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return &d
}

func TestG1_4_HistoryOfATypeAndOfAll(t *testing.T) {
	const basics = "Basic/b/2 Basic/a/5 Basic/a/4 Basic/a.b/2 Basic/a-b/2 Basic/a/3 Basic/b/1 Basic/a.b/1 Basic/a-b/1 Basic/a/2 Basic/a/1"
	const all = "Basic/b/2 Basic/a/5 Flag/x/3 Basic/a/4 Flag/y/1 Basic/a.b/2 Basic/a-b/2 Basic/a/3 Flag/x/2 Basic/b/1 Basic/a.b/1 Basic/a-b/1 Basic/a/2 Basic/a/1 Flag/x/1"
	tests := []struct {
		claim string
		typ   fhir.Type
		types []fhir.Type
		since time.Duration
		at    string
		want  string
		total bool
	}{
		{claim: "a type", typ: "Basic", since: -1, want: basics, total: true},
		{claim: "everything", since: -1, want: all, total: true},
		{claim: "one of all types", types: []fhir.Type{"Basic"}, since: -1, want: basics, total: true},
		{claim: "no types at all", types: []fhir.Type{}, since: -1, total: true},
		{claim: "a type without records", typ: "Patient", since: -1, total: true},
		{claim: "a type since", typ: "Basic", since: 4 * time.Minute, want: "Basic/b/2 Basic/a/5 Basic/a/4", total: true},
		{claim: "everything since just after", since: 4*time.Minute + 1, want: "Basic/b/2 Basic/a/5 Flag/x/3", total: true},
		{claim: "everything since the future", since: time.Hour, total: true},
		{claim: "at a moment before all", since: -1, at: "2025"},
		{claim: "at the first moment", since: -1, at: minute(0), want: "Basic/a/1 Flag/x/1"},
		{claim: "at a moment between", since: -1, at: "2026-01-01T00:01:30Z", want: "Basic/b/1 Basic/a.b/1 Basic/a-b/1 Basic/a/2 Flag/x/1"},
		{claim: "at a moment when it was deleted", typ: "Basic", since: -1, at: minute(3), want: "Basic/a.b/2 Basic/a-b/2 Basic/a/3 Basic/b/1"},
		{claim: "at a moment after all", since: -1, at: "2027", want: "Basic/b/2 Basic/a/5 Flag/x/3 Flag/y/1 Basic/a.b/2 Basic/a-b/2"},
		{claim: "within a day", since: -1, at: "2026-01-01", want: all},
		{claim: "at and since", since: 2 * time.Minute, at: minute(3), want: "Basic/a.b/2 Basic/a-b/2 Basic/a/3 Flag/x/2"},
	}
	onEach(t, func(t *testing.T, r *record.Repository) {
		told(t, r)
		for _, tt := range tests {
			for _, count := range []int{1, 2, 3, 7, 100} {
				q := fhir.HistoryQuery{Key: fhir.Key{Type: tt.typ}, Types: tt.types, Count: count, At: at(t, tt.at)}
				if tt.since >= 0 {
					q.Since = newYear.Add(tt.since)
				}
				got, totals := walk(t, r, q, nil)
				if names(got) != tt.want {
					t.Errorf("%s, pages of %d: %s\nwant %s", tt.claim, count, names(got), tt.want)
				}
				for _, total := range totals {
					if total != int64(len(got)) {
						t.Errorf("%s, pages of %d: a total of %d, %d versions", tt.claim, count, total, len(got))
					}
				}
				if tt.total && len(totals) == 0 {
					t.Errorf("%s, pages of %d: no total", tt.claim, count)
				}
				q.Oldest = true
				got, _ = walk(t, r, q, nil)
				slices.Reverse(got)
				if names(got) != tt.want {
					t.Errorf("%s, the oldest first in pages of %d: %s reversed\nwant %s", tt.claim, count, names(got), tt.want)
				}
			}
		}
	})
}

func TestG1_4_HistoryOfOneAtATime(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		told(t, r)
		for _, tt := range []struct{ at, want string }{
			{"2025", ""},
			{minute(0), "Basic/a/1"},
			{"2026-01-01T00:00:30Z", "Basic/a/1"},
			{minute(1), "Basic/a/2"},
			{"2026-01-01T00:03:00Z", "Basic/a/3"},
			{"2026-01-01T00:04", "Basic/a/4"},
			{"2026-01-01T00:05:00.001Z", "Basic/a/5"},
			{"2026", "Basic/a/5 Basic/a/4 Basic/a/3 Basic/a/2 Basic/a/1"},
			{"2027", "Basic/a/5"},
		} {
			for count := 1; count < 6; count++ {
				got, total := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: count, At: at(t, tt.at)})
				if names(got) != tt.want || total != int64(len(got)) {
					t.Errorf("at %s, pages of %d: %s of %d, want %s", tt.at, count, names(got), total, tt.want)
				}
			}
		}
	})
}

func TestG1_5_PagesShowEveryVersionOnceWhileOthersWrite(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		told(t, r)
		var c clock
		c.advance(time.Hour)
		r.Now = c.now
		before, _ := walk(t, r, fhir.HistoryQuery{Count: 100}, nil)
		for _, count := range []int{1, 3} {
			n := 0
			got, totals := walk(t, r, fhir.HistoryQuery{Count: count}, func() {
				// What is current, and perhaps still to come, moves to the history.
				n++
				c.advance(time.Second)
				commit(t, r, put("a-b", fmt.Sprint("later ", count, n)), flag("y", fmt.Sprint(count, n)), put(fmt.Sprintf("new-%d-%d", count, n), "x"), put("a", fmt.Sprint(count, n)))
			})
			if names(got) != names(before) {
				t.Errorf("pages of %d:\n%s\nwant\n%s", count, names(got), names(before))
			}
			for _, total := range totals {
				if total != int64(len(before)) {
					t.Errorf("pages of %d: a total of %d, want %d throughout", count, total, len(before))
				}
			}
			before, _ = walk(t, r, fhir.HistoryQuery{Count: 100}, nil)
		}
	})
}

func TestG1_4_HistoryRefusesDamagedPositions(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		told(t, r)
		page, err := r.History(t.Context(), fhir.HistoryQuery{Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, cursor := range []string{"x", page.Next[:len(page.Next)-1], page.Next + "x", page.Next[9:], "1.1.3"} {
			_, err := r.History(t.Context(), fhir.HistoryQuery{Count: 1, Cursor: cursor})
			wantCode(t, "the cursor "+strconv.Quote(cursor), err, fhir.CodeInvalid)
		}
		_, err = r.History(t.Context(), fhir.HistoryQuery{Key: fhir.Key{Type: "Nothing"}, Count: 1})
		wantCode(t, "an unknown type", err, fhir.CodeNotFound)
	})
}

// strip makes a document as it was before there was a field.
func strip(t *testing.T, s store.Store, collection string, fields ...string) {
	t.Helper()
	var ops []store.Op
	for doc, err := range s.Find(t.Context(), store.Query{Collection: collection}) {
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, store.Op{Kind: store.Update, Collection: collection, ID: store.ID(doc), Unset: fields})
	}
	if err := s.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
}

func TestG1_4_VersionsOfBeforeHaveAHistoryToo(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		told(t, r)
		for _, name := range []string{"Basic", "Basic_history", "Flag_history"} {
			strip(t, r.Store, name, "id", "to", "m", "new")
		}
		var list []store.Op
		for doc, err := range r.Store.Find(t.Context(), store.Query{Collection: "portico_types"}) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, store.Op{Kind: store.Delete, Collection: "portico_types", ID: store.ID(doc)})
		}
		if err := r.Store.Apply(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ at, want string }{
			{"", "Basic/a-b/1 Basic/a-b/2 Basic/a.b/1 Basic/a.b/2 Basic/a/1 Basic/a/2 Basic/a/3 Basic/a/4 Basic/a/5 Basic/b/1 Basic/b/2 Flag/x/1 Flag/x/2 Flag/x/3 Flag/y/1"},
			{minute(3), "Basic/a-b/2 Basic/a.b/2 Basic/a/3 Basic/b/1 Flag/x/2"},
		} {
			for _, count := range []int{1, 2, 100} {
				got, _ := walk(t, r, fhir.HistoryQuery{Count: count, At: at(t, tt.at)}, nil)
				if !slices.IsSortedFunc(got, func(a, b fhir.Resource) int { return b.Updated.Compare(a.Updated) }) {
					t.Errorf("not newest first: %s", names(got))
				}
				slices.SortFunc(got, func(a, b fhir.Resource) int { return cmp.Compare(a.String()+a.Version, b.String()+b.Version) })
				sorted := names(got)
				if sorted != tt.want {
					t.Errorf("at %q, pages of %d: %s\nwant %s", tt.at, count, sorted, tt.want)
				}
			}
		}
	})
}

// TestHistoryOfAllIsThatOfEach holds the history of everything against those of
// the single resources.
func TestHistoryOfAllIsThatOfEach(t *testing.T) {
	t.Parallel()
	for name, open := range backends.All() {
		if name == "mongo" {
			continue // a database for each check takes too long; the tables above go there
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				r := &record.Repository{Store: open(t)}
				var c clock
				r.Now = c.now
				ids := rapid.SampledFrom([]string{"a", "a-", "a.", "a-b", "A", "b"})
				for range rapid.IntRange(1, 20).Draw(rt, "commits") {
					c.advance(time.Duration(rapid.IntRange(0, 2).Draw(rt, "ms")) * time.Millisecond)
					changes := map[string]fhir.Change{}
					for range rapid.IntRange(1, 4).Draw(rt, "changes") {
						change := put(ids.Draw(rt, "id"), rapid.StringMatching("[a-z]{3}").Draw(rt, "text"))
						switch rapid.IntRange(0, 3).Draw(rt, "kind") {
						case 0:
							change = flag(change.Key.ID, "x"+rapid.StringMatching("[a-z]{3}").Draw(rt, "text"))
						case 1:
							change = remove(change.Key.ID)
						}
						changes[change.Key.String()] = change
					}
					var all []fhir.Change
					for _, change := range changes {
						all = append(all, change)
					}
					commit(t, r, all...)
				}
				checkWhole(t, rt, r)
				if err := r.Store.Close(); err != nil {
					rt.Fatal(err)
				}
			})
		})
	}
}

// checkWhole compares for several times and page sizes.
func checkWhole(t *testing.T, rt *rapid.T, r *record.Repository) {
	q := fhir.HistoryQuery{Count: rapid.IntRange(1, 9).Draw(rt, "count")}
	if rapid.Bool().Draw(rt, "since") {
		q.Since = newYear.Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "when")) * time.Millisecond)
	}
	if rapid.Bool().Draw(rt, "at") {
		d, err := fhir.ParseDate(fhir.FormatInstant(newYear.Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "moment")) * time.Millisecond)))
		if err != nil {
			rt.Fatal(err)
		}
		q.At = &d
	}
	var want []string
	for _, typ := range []fhir.Type{"Basic", "Flag"} {
		for _, id := range []string{"a", "a-", "a.", "a-b", "A", "b"} {
			one := q
			one.Key = fhir.Key{Type: typ, ID: id}
			if _, err := r.History(t.Context(), one); codeOf(err) == fhir.CodeNotFound {
				continue
			}
			all, _ := history(t, r, one)
			for _, res := range all {
				want = append(want, res.Key.String()+"/"+res.Version)
			}
		}
	}
	got, _ := walk(t, r, q, nil)
	if !slices.IsSortedFunc(got, func(a, b fhir.Resource) int { return b.Updated.Compare(a.Updated) }) {
		rt.Fatalf("not newest first: %s", names(got))
	}
	found := strings.Fields(names(got))
	slices.Sort(found)
	slices.Sort(want)
	if !slices.Equal(found, want) {
		rt.Fatalf("%+v: %q\nwant %q", q, found, want)
	}
}

func TestHistoryIsReadFromAnIndex(t *testing.T) {
	t.Parallel()
	open := backends.All()["sqlite"]
	r := repository(t, open)
	told(t, r)
	explainer := r.Store.(store.Explainer)
	for _, q := range []store.Query{
		{Collection: "Basic", Order: []store.Key{{Path: "ts", Desc: true}, {Path: "_id", Desc: true}}, Limit: 3},
		{
			Collection: "Basic_history", Order: []store.Key{{Path: "ts", Desc: true}, {Path: "id", Desc: true}, {Path: "_id", Desc: true}}, Limit: 3,
			After: store.Cursor{store.V(bson.NewDateTimeFromTime(newYear.Add(time.Hour))), store.String("a"), store.String("a/1")},
		},
	} {
		plan, err := explainer.Explain(t.Context(), q)
		if err != nil || plan.Sorted || plan.Index != "lastUpdated" || plan.Docs > 3 {
			t.Errorf("%s: %+v, %v", q.Collection, plan, err)
		}
	}
}
