package record_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/storetest/backends"
)

// onEach runs a test on a fresh Repository over every backend.
func onEach(t *testing.T, test func(t *testing.T, r *record.Repository)) {
	t.Parallel()
	for name, open := range backends.All() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, repository(t, open))
		})
	}
}

func repository(t testing.TB, open func(testing.TB) store.Store) *record.Repository {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &record.Repository{Store: s, Now: new(clock).now, Patience: patience.Limit}
}

// clock stands at the start of 2026 and goes on when told.
type clock struct {
	mu     sync.Mutex
	passed time.Duration
}

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return newYear.Add(c.passed)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed += d
}

func basic(id string) fhir.Key { return fhir.Key{Type: "Basic", ID: id} }

// content is a Basic that says text.
func content(text string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Basic","code":{"text":%q}}`, text)
}

func create(text string) fhir.Change {
	return fhir.Change{Method: fhir.Create, Key: basic(""), Body: content(text)}
}

func put(id, text string) fhir.Change {
	return fhir.Change{Method: fhir.Put, Key: basic(id), Body: content(text)}
}

func remove(id string) fhir.Change { return fhir.Change{Method: fhir.Delete, Key: basic(id)} }

func commit(t testing.TB, r *record.Repository, changes ...fhir.Change) []fhir.Result {
	t.Helper()
	results, err := r.Commit(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(changes) {
		t.Fatalf("%d results for %d changes", len(results), len(changes))
	}
	return results
}

// wantCode fails unless err is a fhir.Error with this code.
func wantCode(t testing.TB, what string, err error, want fhir.IssueCode) {
	t.Helper()
	if got := codeOf(err); got != want {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
}

// codeOf gives the code of a fhir.Error, "" for no error.
func codeOf(err error) fhir.IssueCode {
	var e *fhir.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code()
	default:
		return fhir.IssueCode("untyped: " + err.Error())
	}
}

// text gives what the content of a version says, and checks that its JSON agrees
// with the rest of it.
func text(t testing.TB, res fhir.Resource) string {
	t.Helper()
	if res.Deleted {
		if res.Body != nil {
			t.Errorf("%s version %s: a delete marker with a body", res.Key, res.Version)
		}
		return "deleted"
	}
	var b struct {
		ID   string
		Meta struct{ VersionID, LastUpdated string }
		Code struct{ Text string }
	}
	if err := json.Unmarshal(res.Body, &b); err != nil {
		t.Fatalf("%s: %v", res.Key, err)
	}
	if b.ID != res.ID || b.Meta.VersionID != res.Version || b.Meta.LastUpdated != fhir.FormatInstant(res.Updated) {
		t.Errorf("%s version %s of %v has the body %s", res.Key, res.Version, res.Updated, res.Body)
	}
	return b.Code.Text
}

// texts describes versions as "3:c 2:deleted 1:a".
func texts(t testing.TB, resources []fhir.Resource) string {
	t.Helper()
	var parts []string
	for _, res := range resources {
		parts = append(parts, res.Version+":"+text(t, res))
	}
	return strings.Join(parts, " ")
}

// history walks all pages.
func history(t testing.TB, r *record.Repository, q fhir.HistoryQuery) (all []fhir.Resource, total int64) {
	t.Helper()
	for {
		page, err := r.History(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Resources) > q.Count || len(page.Resources) == 0 && page.Next != "" {
			t.Fatalf("a page of %d, asked for %d, next %q", len(page.Resources), q.Count, page.Next)
		}
		if page.Total == nil {
			t.Fatal("a page without a total")
		}
		all, total = append(all, page.Resources...), *page.Total
		if page.Next == "" {
			return all, total
		}
		q.Cursor = page.Next
	}
}

// search walks all pages.
func search(t testing.TB, r *record.Repository, q fhir.Query) (ids []string) {
	t.Helper()
	for {
		page, err := r.Search(t.Context(), &q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Resources) > q.Count || len(page.Resources) < q.Count && page.Next != "" {
			t.Fatalf("a page of %d, asked for %d, next %q", len(page.Resources), q.Count, page.Next)
		}
		for _, res := range page.Resources {
			text(t, res)
			ids = append(ids, res.ID)
		}
		if page.Next == "" {
			return ids
		}
		q.Cursor = page.Next
	}
}
