package record_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
)

// left gives all versions that there are, the newest first.
func left(t *testing.T, r *record.Repository) string {
	t.Helper()
	all, totals := walk(t, r, fhir.HistoryQuery{Count: 3}, nil)
	for _, total := range totals {
		if total != int64(len(all)) {
			t.Errorf("a total of %d for %s", total, names(all))
		}
	}
	return names(all)
}

func TestG1_4_APurgeRemovesOldVersionsOnly(t *testing.T) {
	const all = "Basic/b/2 Basic/a/5 Flag/x/3 Basic/a/4 Flag/y/1 Basic/a.b/2 Basic/a-b/2 Basic/a/3 Flag/x/2 Basic/b/1 Basic/a.b/1 Basic/a-b/1 Basic/a/2 Basic/a/1 Flag/x/1"
	minutes := func(n int) time.Time { return newYear.Add(time.Duration(n)*time.Minute + time.Second) }
	for _, tt := range []struct {
		claim string
		purge record.Purge
		want  string
		sum   record.Purged
	}{
		{"what was replaced before a time", record.Purge{Before: minutes(2)}, "Basic/b/2 Basic/a/5 Flag/x/3 Basic/a/4 Flag/y/1 Basic/a.b/2 Basic/a-b/2 Basic/a/3 Flag/x/2 Basic/b/1 Basic/a.b/1 Basic/a-b/1", record.Purged{Versions: 3}},
		{"of one type", record.Purge{Types: []fhir.Type{"Flag"}, Before: minutes(9)}, "Basic/b/2 Basic/a/5 Flag/x/3 Basic/a/4 Flag/y/1 Basic/a.b/2 Basic/a-b/2 Basic/a/3 Basic/b/1 Basic/a.b/1 Basic/a-b/1 Basic/a/2 Basic/a/1", record.Purged{Versions: 2}},
		{"of one resource", record.Purge{Key: basic("a"), Before: minutes(9)}, "Basic/b/2 Basic/a/5 Flag/x/3 Flag/y/1 Basic/a.b/2 Basic/a-b/2 Flag/x/2 Basic/b/1 Basic/a.b/1 Basic/a-b/1 Flag/x/1", record.Purged{Versions: 4}},
		{"all old ones", record.Purge{Before: minutes(9)}, "Basic/b/2 Basic/a/5 Flag/x/3 Flag/y/1 Basic/a.b/2 Basic/a-b/2", record.Purged{Versions: 9}},
		{"and deleted resources", record.Purge{Before: minutes(9), Deleted: true}, "Basic/a/5 Flag/x/3 Flag/y/1 Basic/a.b/2 Basic/a-b/2", record.Purged{Versions: 10, Resources: 1}},
		{"not those deleted later", record.Purge{Before: minutes(4), Deleted: true}, "Basic/b/2 Basic/a/5 Flag/x/3 Basic/a/4 Flag/y/1 Basic/a.b/2 Basic/a-b/2 Flag/x/2 Basic/b/1", record.Purged{Versions: 6}},
		{"a resource that is not deleted stays", record.Purge{Key: basic("a"), Before: minutes(9), Deleted: true}, "Basic/b/2 Basic/a/5 Flag/x/3 Flag/y/1 Basic/a.b/2 Basic/a-b/2 Flag/x/2 Basic/b/1 Basic/a.b/1 Basic/a-b/1 Flag/x/1", record.Purged{Versions: 4}},
	} {
		t.Run(tt.claim, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *record.Repository) {
				told(t, r)
				dry := tt.purge
				dry.DryRun = true
				got, err := r.Purge(t.Context(), dry)
				if diff := cmp.Diff(tt.sum, got); err != nil || diff != "" {
					t.Errorf("a dry run: %v %s", err, diff)
				}
				if now := left(t, r); now != all {
					t.Errorf("a dry run leaves %s", now)
				}
				got, err = r.Purge(t.Context(), tt.purge)
				if diff := cmp.Diff(tt.sum, got); err != nil || diff != "" {
					t.Errorf("%v %s", err, diff)
				}
				if now := left(t, r); now != tt.want {
					t.Errorf("left is %s\nwant %s", now, tt.want)
				}
				again, err := r.Purge(t.Context(), tt.purge)
				if err != nil || again != (record.Purged{}) {
					t.Errorf("once more: %+v, %v", again, err)
				}
			})
		})
	}
}

func TestG1_4_WhatWasPurgedIsMissingAndNothingElse(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		var c clock
		r.Now = c.now
		const versions = 450 // more than go into one Apply
		for n := range versions {
			commit(t, r, put("a", fmt.Sprint(n)))
			c.advance(time.Second)
		}
		commit(t, r, put("b", "0"))
		commit(t, r, remove("b"))
		c.advance(time.Second)
		var told []record.Purged
		progress := record.Gently(t.Context(), func(sum record.Purged) { told = append(told, sum) })
		sum, err := r.Purge(t.Context(), record.Purge{Before: newYear.Add((versions - 10) * time.Second), Deleted: true, Progress: progress})
		if err != nil || sum != (record.Purged{Versions: versions - 11}) {
			t.Fatalf("%+v, %v", sum, err)
		}
		if len(told) < 3 || told[0].Versions >= sum.Versions || told[len(told)-1] != sum {
			t.Errorf("on the way it told of %+v", told)
		}
		_, err = r.Version(t.Context(), basic("a"), "1")
		wantCode(t, "a purged version", err, fhir.CodeNotFound)
		for _, oldest := range []bool{false, true} {
			page, err := r.History(t.Context(), fhir.HistoryQuery{Key: basic("a"), Count: 100, Oldest: oldest})
			if err != nil || len(page.Resources) != 11 || *page.Total != 11 {
				t.Errorf("oldest first %v: %s of %d, %v", oldest, names(page.Resources), *page.Total, err)
			}
		}
		page, err := r.History(t.Context(), fhir.HistoryQuery{Key: basic("a"), Count: 100, Since: newYear})
		if err != nil || len(page.Resources) != 11 {
			t.Errorf("since before the purge: %s, %v", names(page.Resources), err)
		}
		if _, err := r.Purge(t.Context(), record.Purge{Before: newYear.Add(time.Hour), Deleted: true}); err != nil {
			t.Fatal(err)
		}
		_, err = r.Read(t.Context(), basic("b"))
		wantCode(t, "a deleted resource that was purged", err, fhir.CodeNotFound)
		if res := commit(t, r, put("b", "anew")); res[0].Resource.Version != "1" {
			t.Errorf("it comes back as version %s", res[0].Resource.Version)
		}
		page, err = r.History(t.Context(), fhir.HistoryQuery{Key: basic("a"), Count: 100, At: at(t, "2026-01-01T00:00:05Z")})
		if err != nil || len(page.Resources) != 0 {
			t.Errorf("what was current at a time whose versions are purged: %s, %v", names(page.Resources), err)
		}
	})
}
