package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
)

// While nothing else is to do, the log is copied into the file, which readers have mapped.
func TestTheLogIsCopiedWhenThereIsTime(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	if err := insertOne(t, s, "a", 100_000); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(s.path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if !patience.Until(func() bool { return size() > 100_000 }) {
		t.Errorf("the file has %d bytes", size())
	}
}

// stall keeps the writer busy until the returned function is called.
func stall(t *testing.T, s *Store) (resume func()) {
	t.Helper()
	stalled, release, done := make(chan bool), make(chan bool), make(chan error, 1)
	go func() {
		done <- s.writer.alone(context.Background(), func() error {
			close(stalled)
			<-release
			return nil
		})
	}()
	<-stalled
	return sync.OnceFunc(func() {
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// waitQueued waits until n requests are in the queue.
func waitQueued(t *testing.T, s *Store, n int) {
	t.Helper()
	if !patience.Until(func() bool { return len(s.writer.queue) >= n }) {
		t.Fatalf("%d requests are queued, want %d", len(s.writer.queue), n)
	}
}

func TestGroupedCallsFailAlone(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	indexed(t, s)
	if err := insertOne(t, s, "0", 10); err != nil {
		t.Fatal(err)
	}
	calls := []struct {
		ops  []store.Op
		want error
	}{
		{[]store.Op{insertOp(t, "1", 10)}, nil},
		{[]store.Op{insertOp(t, "0", 10)}, store.ErrExists},
		{[]store.Op{insertOp(t, "2", 10), insertOp(t, "3", 10), insertOp(t, "0", 10)}, store.ErrExists},
		{[]store.Op{insertOp(t, "2", 10), {Kind: store.Delete, Collection: "A", ID: store.V("none")}}, store.ErrConflict},
		{[]store.Op{insertOp(t, "2", 10), insertOp(t, "4", 10)}, nil},
		{[]store.Op{{Kind: store.Insert, Collection: "New", Doc: document1(t, "1", 1)}, insertOp(t, "0", 10)}, store.ErrExists},
	}
	before := s.writer.commits.Load()
	resume := stall(t, s)
	defer resume()
	errs := make([]error, len(calls))
	var wg sync.WaitGroup
	for i, call := range calls {
		wg.Go(func() { errs[i] = s.Apply(t.Context(), call.ops) })
		waitQueued(t, s, i+1)
	}
	resume()
	wg.Wait()
	for i, call := range calls {
		if !errors.Is(errs[i], call.want) {
			t.Errorf("call %d: %v, want %v", i, errs[i], call.want)
		}
	}
	if n := s.writer.commits.Load() - before; n != 2 {
		t.Errorf("%d commits, want that of the stalling call and one for the group", n)
	}
	wantIDs(t, s, 4) // 0, 1, 2, 4
	checkIntegrity(t, s)
	// A collection that came into being in a call that failed can still be used.
	if err := s.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "New", Doc: document1(t, "1", 1)}}); err != nil {
		t.Error(err)
	}
}

func TestGivingUpWhileQueued(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	indexed(t, s)
	resume := stall(t, s)
	defer resume()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Apply(ctx, []store.Op{insertOp(t, "1", 10)}) }()
	waitQueued(t, s, 1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	resume()
	if err := insertOne(t, s, "2", 10); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, s, 1)
}

func TestOverload(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{Queue: 3})
	indexed(t, s)
	resume := stall(t, s)
	defer resume()
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			if err := insertOne(t, s, fmt.Sprint(i), 10); err != nil {
				t.Error(err)
			}
		})
	}
	waitQueued(t, s, 3)
	// The least of some: what else the machine does must not count.
	least := time.Hour
	for range 20 {
		start := time.Now()
		if err := insertOne(t, s, "one too many", 10); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if least = min(least, time.Since(start)); least < time.Second {
			break
		}
	}
	if least > time.Second {
		t.Errorf("refused after %v", least)
	}
	resume()
	wg.Wait()
	wantIDs(t, s, 3)
}

func TestFullDiskFailsTheGroup(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{maxPages: 60})
	indexed(t, s)
	resume := stall(t, s)
	defer resume()
	var wg sync.WaitGroup
	errs := make([]error, 40)
	for i := range errs {
		wg.Go(func() { errs[i] = insertOne(t, s, fmt.Sprint(i), 8000) })
	}
	waitQueued(t, s, len(errs))
	resume()
	wg.Wait()
	// Those that were in the group when the disk was full failed together.
	// Those behind it made a group of their own, which had the space.
	kept := 0
	for i, err := range errs {
		switch {
		case err == nil:
			kept++
		case !errors.Is(err, store.ErrUnavailable):
			t.Errorf("call %d: %v", i, err)
		}
	}
	if failed := len(errs) - kept; failed < 8 {
		t.Errorf("%d calls failed", failed)
	}
	wantIDs(t, s, kept)
}

func TestManySearchesAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{Readers: 1})
	indexed(t, s)
	var ops []store.Op
	for i := range 400 {
		ops = append(ops, insertOp(t, fmt.Sprint(i), 100))
	}
	if err := s.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	// Searches within a search, each with more than is read ahead, while the
	// documents are changed: none waits for another, all see their snapshot.
	q := store.Query{Collection: "A", Where: store.Eq{Path: "k", Value: store.V("all")}}
	n := 0
	for doc, err := range s.Find(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%100 == 1 {
			for range 2 {
				wantIDs(t, s, 400)
			}
		}
		set := store.Op{
			Kind: store.Update, Collection: "A", ID: store.ID(doc),
			Set: []store.Field{{Path: "k", Value: store.V([]string{"all", "zz" + strings.Repeat("z", n%7)})}},
		}
		if err := s.Apply(t.Context(), []store.Op{set}); err != nil {
			t.Fatal(err)
		}
	}
	if n != 400 {
		t.Errorf("%d documents, want 400", n)
	}
}

func TestBreakReleases(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{Readers: 1, Searches: 1})
	indexed(t, s)
	var ops []store.Op
	for i := range 400 {
		ops = append(ops, insertOp(t, fmt.Sprint(i), 100))
	}
	if err := s.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		for _, err := range s.Find(t.Context(), store.Query{Collection: "A"}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range s.Find(ctx, store.Query{Collection: "A"}) {
		if n++; n == 10 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) || n > 11 {
		t.Errorf("%d documents, then %v", n, last)
	}
	wantIDs(t, s, 400)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := open(t, t.TempDir(), Options{Sweep: 5 * time.Millisecond})
	err := s.Ensure(t.Context(), []store.Index{
		{Collection: "T", Name: "until", Keys: []store.Key{{Path: "until"}}, ExpireAfter: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	var ops []store.Op
	for i := range 2 * sweepDocs {
		until := now.Add(time.Hour)
		if i%2 == 0 {
			until = now.Add(-2 * time.Hour)
		}
		ops = append(ops, store.Op{Kind: store.Insert, Collection: "T", Doc: marshal(t, fmt.Sprint(i), "until", until)})
	}
	ops = append(ops, store.Op{Kind: store.Insert, Collection: "T", Doc: marshal(t, "text", "until", "1970")})
	if err := s.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	want := int64(sweepDocs + 1)
	var n int64
	if !patience.Until(func() bool {
		if n, err = s.Count(t.Context(), store.Query{Collection: "T"}); err != nil {
			t.Fatal(err)
		}
		return n <= want
	}) || n < want {
		t.Fatalf("%d documents, want %d", n, want)
	}
}
