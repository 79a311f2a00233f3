package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

func document1(t testing.TB, id string, size int) store.Doc {
	t.Helper()
	doc, err := bson.Marshal(bson.D{
		{Key: "_id", Value: id},
		{Key: "k", Value: bson.A{"all", "id" + id}},
		{Key: "fill", Value: strings.Repeat("x", size)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func insertOp(t testing.TB, id string, size int) store.Op {
	t.Helper()
	return store.Op{Kind: store.Insert, Collection: "A", Doc: document1(t, id, size)}
}

func insertOne(t testing.TB, s *Store, id string, size int) error {
	t.Helper()
	return s.Apply(t.Context(), []store.Op{insertOp(t, id, size)})
}

// wantIDs makes sure that exactly the n documents are there, by table and by index.
func wantIDs(t *testing.T, s *Store, n int) {
	t.Helper()
	if got := len(idsOf2(t, s)); got != n {
		t.Errorf("%d documents, want %d", got, n)
	}
	if got, err := s.Count(t.Context(), store.Query{Collection: "A"}); err != nil || got != int64(n) {
		t.Errorf("count %d, %v, want %d", got, err, n)
	}
}

func idsOf2(t *testing.T, s *Store) []string {
	t.Helper()
	var ids []string
	for doc, err := range s.Find(t.Context(), store.Query{Collection: "A", Where: store.Eq{Path: "k", Value: store.V("all")}}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, store.ID(doc).StringValue())
	}
	return ids
}

func indexed(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Ensure(t.Context(), []store.Index{{Collection: "A", Name: "k", Keys: []store.Key{{Path: "k"}}}}); err != nil {
		t.Fatal(err)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("a full file system", func(t *testing.T) {
		t.Parallel()
		dir := smallDisk(t, "4m")
		ballast := filepath.Join(dir, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		testFull(t, dir, Options{}, func() {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("a file that may not grow", func(t *testing.T) {
		t.Parallel()
		testFull(t, t.TempDir(), Options{maxPages: 200}, nil)
	})
}

// testFull writes until the disk is full, and again once there is space.
func testFull(t *testing.T, dir string, opts Options, space func()) {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	indexed(t, s)
	n := 0
	for err = nil; err == nil && n < 10_000; n++ {
		err = insertOne(t, s, fmt.Sprint(n), 3000)
	}
	n--
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "disk is full") {
		t.Fatalf("after %d documents: %v", n, err)
	}
	wantIDs(t, s, n)
	if space != nil {
		space()
		if err := insertOne(t, s, "space", 3000); err != nil {
			t.Fatalf("with space again: %v", err)
		}
		n++
		wantIDs(t, s, n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, opts)
	wantIDs(t, s, n)
	checkIntegrity(t, s)
}

func TestDeletedDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Options{})
	indexed(t, s)
	if err := insertOne(t, s, "1", 100); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := insertOne(t, s, "2", 100); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), dir) {
		t.Errorf("write after the directory was deleted: %v", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("ping: %v", err)
	}
}

func TestDamage(t *testing.T) {
	t.Parallel()
	tests := map[string]func(data []byte) []byte{
		"no database at all":   func([]byte) []byte { return []byte(strings.Repeat("this is no database. ", 1000)) },
		"a damaged header":     func(data []byte) []byte { copy(data, "SQLite gormat 3"); return data },
		"pages overwritten":    func(data []byte) []byte { clear(data[4096:]); return data },
		"cut short":            func(data []byte) []byte { return data[:3*4096+100] },
		"random bytes within":  func(data []byte) []byte { copy(data[5*4096:], strings.Repeat("\xff\x00\x5a", 20_000)); return data },
		"cut within its start": func(data []byte) []byte { return data[:50] },
	}
	for name, harm := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, FileName)
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			indexed(t, s)
			for i := range 100 {
				if err := insertOne(t, s, fmt.Sprint(i), 2000); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, harm(data), 0o600); err != nil {
				t.Fatal(err)
			}
			err = useAll(t, dir)
			if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want ErrCorrupt with the path", err)
			}
		})
	}
}

// useAll opens, reads everything and writes.
func useAll(t *testing.T, dir string) error {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	for _, where := range []store.Filter{nil, store.Eq{Path: "k", Value: store.V("all")}} {
		for _, err := range s.Find(t.Context(), store.Query{Collection: "A", Where: where}) {
			if err != nil {
				return err
			}
		}
	}
	return insertOne(t, s, "new", 2000)
}

// Cutting the file short under a running process makes the mapped pages beyond
// its end fault; that must not end the process.
func TestCutShortWhileOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{})
	indexed(t, s)
	for i := range 300 {
		if err := insertOne(t, s, fmt.Sprint(i), 3000); err != nil {
			t.Fatal(err)
		}
	}
	// Closing brings everything from the log into the file.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	wantIDs(t, s, 300)
	if err := os.Truncate(filepath.Join(dir, FileName), 2*4096); err != nil {
		t.Fatal(err)
	}
	failed := false
	for _, err := range s.Find(t.Context(), store.Query{Collection: "A"}) {
		if err != nil {
			failed = true
			if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("search: %v", err)
			}
		}
	}
	if !failed {
		t.Error("reading a file without its pages did not fail")
	}
}

func TestSecondOpener(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second opener in this process: %v", err)
	}
	out, err := child(t, "open", dir).Output()
	if err != nil || !strings.Contains(string(out), dir) {
		t.Errorf("second opener in another process: %s, %v", out, err)
	}
	// Without the lock file it is SQLite's lock that keeps the other out.
	if err := os.Remove(filepath.Join(dir, "portico.lock")); err != nil {
		t.Fatal(err)
	}
	out, err = child(t, "open", dir).Output()
	if err != nil || !strings.Contains(string(out), dir) {
		t.Errorf("second opener without the lock file: %s, %v", out, err)
	}
}

func TestNewerFormat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.writer.conn.exec(fmt.Sprintf("PRAGMA user_version=%d", format+1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{})
	if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "newer") {
		t.Errorf("open of a newer format: %v", err)
	}
}

func TestFileModes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir, Options{})
	if err := insertOne(t, s, "1", 100); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{
		dir: 0o700, filepath.Join(dir, FileName): 0o600, filepath.Join(dir, FileName+"-wal"): 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

func TestBackup(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	indexed(t, s)
	for i := range 200 {
		if err := insertOne(t, s, fmt.Sprint(i), 2000); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	if err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := s.Backup(t.Context(), path); !errors.Is(err, store.ErrExists) {
		t.Errorf("a second backup to the same file: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Backup(ended, filepath.Join(dir, "other")); !errors.Is(err, context.Canceled) {
		t.Errorf("under an ended context: %v", err)
	}
	copied := open(t, dir, Options{})
	wantIDs(t, copied, 200)
	checkIntegrity(t, copied)
	if err := insertOne(t, copied, "new", 2000); err != nil {
		t.Fatal(err)
	}
}

func TestOpenIsQuick(t *testing.T) {
	t.Parallel()
	start := time.Now()
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("opened an empty store in %v", time.Since(start))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second close: %v", err)
	}
	if err := insertOne(t, s, "1", 1); !errors.Is(err, store.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}
