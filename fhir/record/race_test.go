package record_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
)

// parallel runs n writers at once and returns what each got.
func parallel(t *testing.T, r *record.Repository, n int, change func(i int) fhir.Change) ([]fhir.Result, []error) {
	t.Helper()
	results, errs := make([]fhir.Result, n), make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			res, err := r.Commit(t.Context(), []fhir.Change{change(i)})
			if errs[i] = err; err == nil {
				results[i] = res[0]
			}
		})
	}
	close(start)
	wg.Wait()
	return results, errs
}

const writers = 32

func TestG2_11_OfParallelUpdatesWithTheSameIfMatchOneSucceeds(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		commit(t, r, put("a", "one"))
		results, errs := parallel(t, r, writers, func(i int) fhir.Change {
			c := put("a", fmt.Sprint("writer ", i))
			c.IfMatch = "1"
			return c
		})
		winner := -1
		for i, err := range errs {
			switch codeOf(err) {
			case "":
				if winner >= 0 || results[i].Status != fhir.Updated || results[i].Resource.Version != "2" {
					t.Errorf("writer %d succeeds too: %+v", i, results[i])
				}
				winner = i
			case fhir.CodeConflict:
			default:
				t.Errorf("writer %d: %v", i, err)
			}
		}
		all, _ := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 50})
		if got, want := texts(t, all), fmt.Sprintf("2:writer %d 1:one", winner); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestG2_11_NoParallelUpdateIsLost(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		results, errs := parallel(t, r, writers, func(i int) fhir.Change { return put("a", fmt.Sprint("writer ", i)) })
		all, _ := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 50})
		if len(all) != writers {
			t.Errorf("%d versions of %d writers", len(all), writers)
		}
		for i, err := range errs {
			if err != nil {
				t.Errorf("writer %d: %v", i, err)
				continue
			}
			at := slices.IndexFunc(all, func(res fhir.Resource) bool { return res.Version == results[i].Resource.Version })
			if at < 0 || text(t, all[at]) != fmt.Sprint("writer ", i) {
				t.Errorf("writer %d was told version %s, which the history does not have so", i, results[i].Resource.Version)
			}
		}
		for i := range all[1:] {
			if !all[i].Updated.After(all[i+1].Updated) {
				t.Errorf("version %s is not after version %s", all[i].Version, all[i+1].Version)
			}
		}
	})
}

func TestG2_11_OfParallelCreatesUnderOneIdOneSucceeds(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		_, errs := parallel(t, r, writers, func(i int) fhir.Change {
			c := put("a", fmt.Sprint("writer ", i))
			c.IfNoneMatch = true
			return c
		})
		succeeded := 0
		for i, err := range errs {
			switch codeOf(err) {
			case "":
				succeeded++
			case fhir.CodeConflict:
			default:
				t.Errorf("writer %d: %v", i, err)
			}
		}
		all, _ := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 50})
		if succeeded != 1 || len(all) != 1 {
			t.Errorf("%d succeeded, %d versions", succeeded, len(all))
		}
	})
}

func TestG2_11_ParallelCreatesAllSucceed(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		_, errs := parallel(t, r, writers, func(i int) fhir.Change { return create(fmt.Sprint("writer ", i)) })
		for i, err := range errs {
			if err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		}
		if ids := search(t, r, fhir.Query{Type: "Basic", Count: 7}); len(ids) != writers {
			t.Errorf("%d of %d resources", len(ids), writers)
		}
	})
}

func TestG2_11_ParallelDeletesAndUpdatesLeaveAWholeHistory(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		results, errs := parallel(t, r, writers, func(i int) fhir.Change {
			if i%2 == 0 {
				return remove("a")
			}
			return put("a", fmt.Sprint("writer ", i))
		})
		written := 0
		for i, err := range errs {
			if err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
			if results[i].Status != fhir.Absent {
				written++
			}
		}
		all, total := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 3})
		if len(all) != written || total != int64(written) {
			t.Errorf("%d versions, total %d, after %d writes", len(all), total, written)
		}
		for i := range all[1:] {
			if all[i].Deleted && all[i+1].Deleted {
				t.Errorf("version %s deletes what was deleted", all[i].Version)
			}
		}
	})
}

// A reader that goes through all versions while they are written never sees a gap.
func TestReadersSeeNoGapWhileVersionsAreWritten(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		commit(t, r, put("a", "0"))
		done := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			defer close(done)
			for i := range 60 {
				if _, err := r.Commit(t.Context(), []fhir.Change{put("a", fmt.Sprint(i+1))}); err != nil {
					t.Error(err)
				}
			}
		})
		for more := true; more; {
			select {
			case <-done:
				more = false
			default:
			}
			all, total := history(t, r, fhir.HistoryQuery{Key: basic("a"), Count: 7})
			if int64(len(all)) != total {
				t.Fatalf("%d versions of %d", len(all), total)
			}
			for i, res := range all {
				if want := fmt.Sprint(len(all) - i); res.Version != want {
					t.Fatalf("version %s in the place of %s", res.Version, want)
				}
			}
			if _, err := r.Version(t.Context(), basic("a"), all[0].Version); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
	})
}

// While others write, every version that was there when a walk through the history of
// all began is on one page, and none is on two.
func TestG1_5_AWalkSeesEveryVersionOnceWhileOthersWrite(t *testing.T) {
	onEach(t, func(t *testing.T, r *record.Repository) {
		r.Now = nil
		var mu sync.Mutex
		written := map[string]bool{}
		var wg sync.WaitGroup
		for w := range 2 {
			wg.Go(func() {
				for n := range 40 {
					time.Sleep(time.Millisecond)
					results, err := r.Commit(t.Context(), []fhir.Change{put(fmt.Sprintf("r-%d", w), fmt.Sprint(n)), flag(fmt.Sprintf("r-%d", w), fmt.Sprint(n))})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, res := range results {
						written[res.Resource.Key.String()+"/"+res.Resource.Version] = true
					}
					mu.Unlock()
				}
			})
		}
		for range 4 {
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			before := maps.Clone(written)
			mu.Unlock()
			all, _ := walk(t, r, fhir.HistoryQuery{Count: 7}, nil)
			seen := map[string]bool{}
			for _, res := range all {
				name := res.Key.String() + "/" + res.Version
				if seen[name] {
					t.Errorf("%s is shown twice", name)
				}
				seen[name] = true
				delete(before, name)
			}
			if len(before) > 0 {
				t.Errorf("of %d versions these are missing: %v", len(all), slices.Sorted(maps.Keys(before)))
			}
		}
		wg.Wait()
	})
}
