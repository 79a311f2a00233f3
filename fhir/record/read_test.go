package record_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
)

func TestG1_1_ReadGivesTheCurrentVersion(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		var c clock
		r.Now = c.now
		commit(t, r, put("a", "one"))
		c.advance(1500*time.Microsecond + time.Hour)
		commit(t, r, put("a", "two"))
		got, err := r.Read(t.Context(), basic("a"))
		if err != nil {
			t.Fatal(err)
		}
		want := fhir.Resource{
			Key: basic("a"), Version: "2", Updated: newYear.Add(time.Hour + time.Millisecond),
			Body:   []byte(`{"resourceType":"Basic","id":"a","meta":{"versionId":"2","lastUpdated":"2026-01-01T01:00:00.001Z"},"code":{"text":"two"}}`),
			Method: fhir.Put,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestG1_1_ReadRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		commit(t, r, put("a", "one"), put("gone", "x"))
		commit(t, r, remove("gone"))
		for _, key := range []fhir.Key{
			{Type: "Basic", ID: "b"},
			{Type: "Basic", ID: ""},
			{Type: "Basic", ID: "../a"},
			{Type: "Basic", ID: "A"},
			{Type: "Patient", ID: "a"},
			{Type: "basic", ID: "a"},
			{Type: "Basic_history", ID: "a"},
			{Type: "", ID: "a"},
		} {
			_, err := r.Read(t.Context(), key)
			wantCode(t, "read of "+key.String(), err, fhir.CodeNotFound)
		}
		marker, err := r.Read(t.Context(), basic("gone"))
		wantCode(t, "read of a deleted resource", err, fhir.CodeDeleted)
		if !marker.Deleted || marker.Version != "2" || marker.Body != nil {
			t.Errorf("beside the error stands %+v, want the delete marker", marker)
		}
	})
}

func TestG1_3_VersionGivesEachVersion(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		commit(t, r, put("a", "one"))
		commit(t, r, put("a", "two"))
		commit(t, r, remove("a"))
		commit(t, r, put("a", "four"))
		commit(t, r, put("a-", "another"))
		for version, want := range map[string]string{"1": "one", "2": "two", "4": "four"} {
			got, err := r.Version(t.Context(), basic("a"), version)
			if err != nil || got.Version != version || text(t, got) != want {
				t.Errorf("version %s: %+v, %v; want %s", version, got, err, want)
			}
		}
		marker, err := r.Version(t.Context(), basic("a"), "3")
		wantCode(t, "the delete marker", err, fhir.CodeDeleted)
		if !marker.Deleted || marker.Version != "3" {
			t.Errorf("beside the error stands %+v, want the delete marker", marker)
		}
		for _, version := range []string{"", "0", "5", "-1", "01", "+1", "1.0", "x", "99999999999999999999", "1/"} {
			_, err := r.Version(t.Context(), basic("a"), version)
			wantCode(t, "version "+version, err, fhir.CodeNotFound)
		}
		_, err = r.Version(t.Context(), basic("nobody"), "1")
		wantCode(t, "a version of nothing", err, fhir.CodeNotFound)
	})
}

func TestG1_4_HistoryIsNewestFirstWithDeletes(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		var c clock
		r.Now = c.now
		for _, change := range []fhir.Change{put("a", "one"), put("a", "two"), remove("a"), put("a", "four"), put("a", "five")} {
			commit(t, r, change)
			c.advance(time.Minute)
		}
		// Neighbours in the order of ids.
		commit(t, r, put("a-b", "x"), put("A", "x"), put("a.", "x"), put("a0", "x"))
		commit(t, r, put("a-b", "y"), put("A", "y"), put("a.", "y"), put("a0", "y"))
		tests := []struct {
			claim string
			since time.Duration
			want  string
			total int64
		}{
			{"all", -time.Hour, "5:five 4:four 3:deleted 2:two 1:one", 5},
			{"since the first", 0, "5:five 4:four 3:deleted 2:two 1:one", 5},
			{"since just behind the first", time.Millisecond, "5:five 4:four 3:deleted 2:two", 4},
			{"since the third", 2 * time.Minute, "5:five 4:four 3:deleted", 3},
			{"since the last", 4 * time.Minute, "5:five", 1},
			{"since the future", time.Hour, "", 0},
		}
		for _, tt := range tests {
			for count := 1; count <= 6; count++ {
				got, total := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: count, Since: newYear.Add(tt.since)})
				if texts(t, got) != tt.want || total != tt.total {
					t.Errorf("%s, pages of %d: %s of %d, want %s of %d", tt.claim, count, texts(t, got), total, tt.want, tt.total)
				}
			}
		}
		got, _ := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 10})
		if texts(t, got) != tests[0].want {
			t.Errorf("without since: %s", texts(t, got))
		}
	})
}

func TestG1_4_HistoryRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		commit(t, r, put("a", "one"))
		for _, id := range []string{"b", "a/0000000001"} {
			_, err := r.History(t.Context(), fhir.HistoryQuery{Key: basic(id), Count: 5})
			wantCode(t, "the history of "+id, err, fhir.CodeNotFound)
		}
		for _, cursor := range []string{"x", "1", "1.1", "1.1.1", "0.1.3", "2.0.3", "1.2.3", "1.1.9.", "1.1.x", "-1.-2.3", "99999999999999999999.1.3"} {
			_, err := r.History(t.Context(), fhir.HistoryQuery{Key: basic("a"), Count: 5, Cursor: cursor})
			wantCode(t, "the cursor "+cursor, err, fhir.CodeInvalid)
		}
		_, err := r.History(t.Context(), fhir.HistoryQuery{Key: basic("a")})
		wantCode(t, "a page of nothing", err, fhir.CodeInvalid)
	})
}

func TestG1_5_HistoryPagesShowOneMoment(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		for _, s := range []string{"one", "two", "three"} {
			commit(t, r, put("a", s))
		}
		q := fhir.HistoryQuery{Key: basic("a"), Count: 1}
		var all []fhir.Resource
		for {
			page, err := r.History(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if *page.Total != 3 {
				t.Errorf("a total of %d, want 3 on every page", *page.Total)
			}
			all = append(all, page.Resources...)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
			commit(t, r, put("a", "later "+q.Cursor))
		}
		if got, want := texts(t, all), "3:three 2:two 1:one"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestBodiesOfAnySizeComeBackByteForByte(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		noise := make([]byte, 50_000)
		for i, rnd := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
			noise[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[rnd.IntN(64)]
		}
		var wants []string
		for _, size := range []int{1, 100, 150, 200, 300, 1000, 20_000} {
			for _, fill := range []string{strings.Repeat("The same again. ", size/16+1)[:size], string(noise[:size])} {
				wants = append(wants, fill)
				commit(t, r, put("a", fill))
				got, err := r.Read(t.Context(), basic("a"))
				if err != nil || text(t, got) != fill {
					t.Fatalf("%d bytes: %v", size, err)
				}
			}
		}
		all, _ := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 5})
		for i, res := range slices.Backward(all) {
			if want := wants[len(all)-1-i]; text(t, res) != want {
				t.Errorf("version %s has %d bytes of text, want %d", res.Version, len(text(t, res)), len(want))
			}
		}
	})
}

func TestG1_4_AVersionSaysHowItCameAbout(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		patch := func(id, text string) fhir.Change {
			c := put(id, text)
			c.Method = fhir.Patch
			return c
		}
		made := commit(t, r, create("one"))[0].Resource
		commit(t, r, patch(made.ID, "two"))
		commit(t, r, put(made.ID, "three"))
		commit(t, r, remove(made.ID))
		commit(t, r, put(made.ID, "five"))
		commit(t, r, patch(made.ID, "six"))
		type origin struct {
			method fhir.Method
			born   bool
		}
		want := []origin{{fhir.Patch, false}, {fhir.Put, true}, {fhir.Delete, false}, {fhir.Put, false}, {fhir.Patch, false}, {fhir.Create, true}}
		all, _ := history(t, r, fhir.HistoryQuery{Key: made.Key, Count: 4})
		for i, res := range all {
			if got := (origin{res.Method, res.Born}); got != want[i] {
				t.Errorf("version %s: %+v, want %+v", res.Version, got, want[i])
			}
		}
		if len(all) != len(want) {
			t.Errorf("%d versions", len(all))
		}
		first, err := r.Version(t.Context(), made.Key, "1")
		if diff := cmp.Diff(made, first); diff != "" || err != nil {
			t.Error("the version in the history is not what Commit answered:", diff, err)
		}
	})
}
