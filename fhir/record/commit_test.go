package record_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
)

func TestG2_1_CreateIgnoresTheClientsIdAndMeta(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		body := []byte(`{"resourceType":"Basic","id":"mine","meta":{"versionId":"9","lastUpdated":"1999-01-01T00:00:00Z","tag":[{"code":"kept"}]},"code":{"text":"1.50 ä"}}`)
		res := commit(t, r, fhir.Change{Method: fhir.Create, Key: basic(""), Body: body})[0]
		if res.Status != fhir.Created || res.Resource.Version != "1" || res.Resource.ID == "mine" {
			t.Fatalf("%+v", res)
		}
		if text(t, res.Resource) != "1.50 ä" || !strings.Contains(string(res.Resource.Body), `"tag":[{"code":"kept"}]`) {
			t.Errorf("body %s", res.Resource.Body)
		}
		got, err := r.Read(t.Context(), res.Resource.Key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(res.Resource, got); diff != "" {
			t.Error("what Commit answers is not what Read gives:", diff)
		}
		_, err = r.Read(t.Context(), basic("mine"))
		wantCode(t, "the client's id", err, fhir.CodeNotFound)
	})
}

func TestNewIDIsUnguessableAndAscends(t *testing.T) {
	t.Parallel()
	grammar := regexp.MustCompile(`^[0-9a-z]{36}$`)
	seen := make(map[string]bool)
	first := record.NewID()
	time.Sleep(2 * time.Millisecond)
	for range 10_000 {
		id := record.NewID()
		if !grammar.MatchString(id) || !fhir.ValidID(id) || seen[id] || id <= first {
			t.Fatalf("%q behind %q, seen before: %v", id, first, seen[id])
		}
		seen[id] = true
	}
	// Behind the time stand 26 characters of randomness: no two ids share much of it.
	a, b := record.NewID()[10:], record.NewID()[10:]
	shared := 0
	for i := range a {
		if a[i] == b[i] {
			shared++
		}
	}
	if shared > 15 {
		t.Errorf("%s and %s are too much alike", a, b)
	}
}

func TestG2_4_Updates(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		steps := []struct {
			claim   string
			change  fhir.Change
			status  fhir.Status
			version string
		}{
			{"an update of nothing creates under the client's id", put("a", "one"), fhir.Created, "1"},
			{"an update makes a version", put("a", "two"), fhir.Updated, "2"},
			{"the same content makes none", put("a", "two"), fhir.Unchanged, "2"},
			{"nor does it with a stamp of its own", fhir.Change{Method: fhir.Put, Key: basic("a"), Body: []byte(` { "meta" : {"versionId":"17"}, "resourceType":"Basic", "id":"a","code": {"text":"two"} }`)}, fhir.Unchanged, "2"},
			{"a tag makes one", fhir.Change{Method: fhir.Put, Key: basic("a"), Body: []byte(`{"resourceType":"Basic","meta":{"tag":[{"code":"x"}]},"code":{"text":"two"}}`)}, fhir.Updated, "3"},
			{"so does its removal", put("a", "two"), fhir.Updated, "4"},
		}
		for _, s := range steps {
			got := commit(t, r, s.change)[0]
			if got.Status != s.status || got.Resource.Version != s.version {
				t.Errorf("%s: status %d, version %s; want %d, %s", s.claim, got.Status, got.Resource.Version, s.status, s.version)
			}
			text(t, got.Resource)
			now, err := r.Read(t.Context(), basic("a"))
			if diff := cmp.Diff(now, got.Resource); diff != "" || err != nil {
				t.Errorf("%s: the answer is not what Read gives: %s %v", s.claim, diff, err)
			}
		}
		all, _ := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 9})
		if got := texts(t, all); got != "4:two 3:two 2:two 1:one" {
			t.Error(got)
		}
	})
}

func TestG2_4_ReadBackAndPutIsUnchanged(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		created := commit(t, r, create("x"))[0].Resource
		again := commit(t, r, fhir.Change{Method: fhir.Put, Key: created.Key, Body: created.Body})[0]
		if again.Status != fhir.Unchanged || again.Resource.Version != "1" {
			t.Errorf("%+v", again)
		}
	})
}

func TestG2_5_Preconditions(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		commit(t, r, put("a", "one"), put("gone", "x"))
		commit(t, r, put("a", "two"), remove("gone"))
		with := func(c fhir.Change, ifMatch string, ifNone bool) fhir.Change {
			c.IfMatch, c.IfNoneMatch = ifMatch, ifNone
			return c
		}
		for _, tt := range []struct {
			claim  string
			change fhir.Change
			want   fhir.IssueCode
		}{
			{"an old version", with(put("a", "x"), "1", false), fhir.CodeConflict},
			{"a version to come", with(put("a", "x"), "3", false), fhir.CodeConflict},
			{"no number", with(put("a", "x"), "abc", false), fhir.CodeConflict},
			{"another way to write the number", with(put("a", "x"), "02", false), fhir.CodeConflict},
			{"a stale update that would change nothing", with(put("a", "two"), "1", false), fhir.CodeConflict},
			{"an update of nothing", with(put("new", "x"), "1", false), fhir.CodeConflict},
			{"a stale delete", with(remove("a"), "1", false), fhir.CodeConflict},
			{"a delete of nothing", with(remove("new"), "1", false), fhir.CodeConflict},
			{"a stale delete of the deleted", with(remove("gone"), "1", false), fhir.CodeConflict},
			{"it exists", with(put("a", "x"), "", true), fhir.CodeConflict},
			{"it exists unchanged", with(put("a", "two"), "", true), fhir.CodeConflict},
			{"the current version", with(put("a", "three"), "2", false), ""},
			{"the version of a delete marker", with(put("gone", "y"), "2", false), ""},
			{"it does not exist", with(put("new", "x"), "", true), ""},
			{"a delete of the current version", with(remove("a"), "3", false), ""},
			{"it exists no more", with(put("a", "back"), "", true), ""},
		} {
			_, err := r.Commit(t.Context(), []fhir.Change{tt.change})
			wantCode(t, tt.claim, err, tt.want)
		}
		all, _ := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 9})
		if got := texts(t, all); got != "5:back 4:deleted 3:three 2:two 1:one" {
			t.Error("a refused change left a trace:", got)
		}
	})
}

func TestG2_9_Delete(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		commit(t, r, put("a", "one"))
		gone := commit(t, r, remove("a"))[0]
		if gone.Status != fhir.Deleted || gone.Resource.Version != "2" || !gone.Resource.Deleted {
			t.Errorf("the delete: %+v", gone)
		}
		for _, id := range []string{"a", "never"} {
			again := commit(t, r, remove(id))[0]
			if diff := cmp.Diff(fhir.Result{Status: fhir.Absent, Resource: fhir.Resource{Key: basic(id)}}, again); diff != "" {
				t.Errorf("a delete of nothing (%s): %s", id, diff)
			}
		}
		_, err := r.Read(t.Context(), basic("never"))
		wantCode(t, "what was only ever deleted", err, fhir.CodeNotFound)
		back := commit(t, r, put("a", "three"))[0]
		if back.Status != fhir.Created || back.Resource.Version != "3" {
			t.Errorf("the revival: %+v", back)
		}
		all, _ := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 9})
		if got := texts(t, all); got != "3:three 2:deleted 1:one" {
			t.Error(got)
		}
	})
}

func TestLastUpdatedAscendsWhateverTheClockDoes(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		var c clock
		r.Now = c.now
		for i, step := range []time.Duration{0, 0, -time.Hour, time.Microsecond, time.Millisecond, 2 * time.Hour} {
			c.advance(step)
			if i == 3 {
				commit(t, r, remove("a"))
			} else {
				commit(t, r, put("a", fmt.Sprint(i)))
			}
		}
		all, _ := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 9})
		if len(all) != 6 {
			t.Fatal(texts(t, all))
		}
		for i := range all[1:] {
			if !all[i].Updated.After(all[i+1].Updated) {
				t.Errorf("version %s at %v is not after version %s at %v", all[i].Version, all[i].Updated, all[i+1].Version, all[i+1].Updated)
			}
		}
		if got, want := all[0].Updated, c.now().Truncate(time.Millisecond); !got.Equal(want) {
			t.Errorf("with the clock ahead the time is %v, want %v", got, want)
		}
	})
}

func TestACommitIsAllOrNothing(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		commit(t, r, put("a", "one"), put("b", "one"))
		stale := put("b", "two")
		stale.IfMatch = "7"
		_, err := r.Commit(t.Context(), []fhir.Change{put("a", "two"), create("new"), remove("b"), {Method: fhir.Put, Key: fhir.Key{Type: "Patient", ID: "p"}, Body: []byte(`{"resourceType":"Patient"}`)}, func() fhir.Change { c := put("c", "x"); c.IfMatch = "1"; return c }()})
		wantCode(t, "one failed precondition among five changes", err, fhir.CodeConflict)
		_, err = r.Commit(t.Context(), []fhir.Change{put("a", "two"), stale})
		wantCode(t, "a stale update behind a good one", err, fhir.CodeConflict)
		for _, id := range []string{"a", "b"} {
			got, err := r.Read(t.Context(), basic(id))
			if err != nil || got.Version != "1" || text(t, got) != "one" {
				t.Errorf("%s: %+v, %v", id, got, err)
			}
		}
		if ids := search(t, r, fhir.Query{Type: "Basic", Count: 10}); len(ids) != 2 {
			t.Errorf("there are %v", ids)
		}
		_, err = r.Read(t.Context(), fhir.Key{Type: "Patient", ID: "p"})
		wantCode(t, "another type", err, fhir.CodeNotFound)

		got := commit(t, r, put("a", "two"), create("new"), remove("b"), put("d", "x"), remove("none"), put("e", "x"))
		var statuses []fhir.Status
		for _, res := range got {
			statuses = append(statuses, res.Status)
		}
		if diff := cmp.Diff([]fhir.Status{fhir.Updated, fhir.Created, fhir.Deleted, fhir.Created, fhir.Absent, fhir.Created}, statuses); diff != "" {
			t.Error("results in the order of the changes:", diff)
		}
	})
}

func TestACreateMayChooseItsIdBeforehand(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		chosen := create("x")
		chosen.Key.ID = "chosen"
		if res := commit(t, r, chosen)[0]; res.Status != fhir.Created || res.Resource.Key != basic("chosen") {
			t.Errorf("under a free id: %+v", res)
		}
		_, err := r.Commit(t.Context(), []fhir.Change{create("y"), chosen})
		wantCode(t, "under an id that is taken", err, fhir.CodeConflict)
		_, err = r.Commit(t.Context(), []fhir.Change{{Method: fhir.Create, Key: basic("a/b"), Body: content("x")}})
		wantCode(t, "under an id outside the grammar", err, fhir.CodeInvalid)
	})
}

func TestCommitRefusesWhatCannotBe(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		expecting := create("x")
		expecting.IfMatch = "1"
		for claim, tt := range map[string]struct {
			changes []fhir.Change
			want    fhir.IssueCode
		}{
			"the same resource twice":   {[]fhir.Change{put("a", "1"), put("a", "2")}, fhir.CodeInvalid},
			"an update and a delete":    {[]fhir.Change{put("a", "1"), remove("a")}, fhir.CodeInvalid},
			"a create of a version":     {[]fhir.Change{expecting}, fhir.CodeConflict},
			"an id outside the grammar": {[]fhir.Change{put("a/b", "1")}, fhir.CodeInvalid},
			"an update without an id":   {[]fhir.Change{put("", "1")}, fhir.CodeInvalid},
			"a type that is none":       {[]fhir.Change{{Method: fhir.Create, Key: fhir.Key{Type: "Basics"}, Body: content("x")}}, fhir.CodeNotFound},
			"the collection of another": {[]fhir.Change{{Method: fhir.Create, Key: fhir.Key{Type: "Basic_history"}, Body: content("x")}}, fhir.CodeNotFound},
			"an unknown method":         {[]fhir.Change{{Key: basic("a"), Body: content("x")}}, fhir.CodeNotSupported},
			"a body that is no object":  {[]fhir.Change{{Method: fhir.Create, Key: basic(""), Body: []byte("[]")}}, fhir.CodeStructure},
		} {
			_, err := r.Commit(t.Context(), tt.changes)
			wantCode(t, claim, err, tt.want)
		}
		if ids := search(t, r, fhir.Query{Type: "Basic", Count: 10}); len(ids) != 0 {
			t.Errorf("there are %v", ids)
		}
		if res, err := r.Commit(t.Context(), nil); err != nil || len(res) != 0 {
			t.Errorf("no changes: %v, %v", res, err)
		}
	})
}

func TestEveryTypeCanBeKept(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		var changes []fhir.Change
		for _, typ := range fhir.Types() {
			c := r.Describe(typ)
			if c.None() || !c.Read || !c.Search || len(c.Params) < 6 || len(c.Sortable) < 2 {
				t.Errorf("%s can do too little: %d parameters, sorted by %v", typ, len(c.Params), c.Sortable)
			}
			changes = append(changes, fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: typ, ID: "1"}, Body: fmt.Appendf(nil, `{"resourceType":%q}`, typ)})
		}
		commit(t, r, changes...)
		for _, typ := range fhir.Types() {
			if _, err := r.Read(t.Context(), fhir.Key{Type: typ, ID: "1"}); err != nil {
				t.Errorf("%s: %v", typ, err)
			}
		}
		if !r.Describe("Patent").None() {
			t.Error("an unknown type is described")
		}
	})
}
