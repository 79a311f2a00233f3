package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/internal/patience"
	"github.com/portico-fhir/portico/store"
)

// The test binary is its own child: the variable names what it is to do.
const childVariable = "PORTICO_SQLITE_CHILD"

func TestMain(m *testing.M) {
	switch job, dir, _ := strings.Cut(os.Getenv(childVariable), ":"); job {
	case "":
		os.Exit(m.Run())
	case "write":
		childWrites(dir, Options{Recent: 4000}) // so little that entries are always on their way
	case "load":
		childWrites(dir, Options{Recent: 4000, Loading: true})
	case "open":
		_, err := Open(dir, Options{})
		fmt.Println(err)
		if !errors.Is(err, store.ErrUnavailable) {
			os.Exit(1)
		}
	}
}

// child prepares this binary to do a job on dir.
func child(t *testing.T, job, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childVariable+"="+job+":"+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

const crashWriters = 8

// childWrites writes until it is killed. What was acknowledged goes to a
// ledger, which is on the disk before the next write begins.
func childWrites(dir string, opts Options) {
	s, err := Open(dir, opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for w := range crashWriters {
		wg.Go(func() {
			if err := writeLedger(s, filepath.Join(dir, fmt.Sprintf("ledger%d", w)), w); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		})
	}
	fmt.Println("writing")
	wg.Wait()
}

func writeLedger(s *Store, path string, w int) error {
	ledger, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	base := time.Now().UnixNano()
	for n := range 1 << 30 {
		id := fmt.Sprintf("%d-%d-%d", w, base, n)
		doc, err := bson.Marshal(bson.D{
			{Key: "_id", Value: id},
			{Key: "k", Value: bson.A{"all", "w" + fmt.Sprint(w)}},
			{Key: "n", Value: n},
			{Key: "fill", Value: strings.Repeat(id, 40)},
		})
		if err != nil {
			return err
		}
		// Two collections, and one document that all change: all or nothing.
		ops := []store.Op{
			{Kind: store.Insert, Collection: "A", Doc: doc},
			{Kind: store.Insert, Collection: "B", Doc: doc},
			{
				Kind: store.Update, Collection: "C", ID: store.V("last"),
				Set: []store.Field{{Path: "w" + fmt.Sprint(w), Value: store.V(id)}},
			},
		}
		if n%5 == 4 {
			before := fmt.Sprintf("%d-%d-%d", w, base, n-1)
			ops = append(ops, store.Op{Kind: store.Delete, Collection: "B", ID: store.V(before)})
		}
		if err := s.Apply(context.Background(), ops); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(ledger, id); err != nil {
			return err
		}
		if err := ledger.Sync(); err != nil {
			return err
		}
	}
	return nil
}

func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	prepareCrash(t, dir)
	// Six seconds, or on a slow machine until enough was written to tell.
	const enough = 100
	kills, acknowledged, begin := 0, 0, time.Now()
	for time.Since(begin) < patience.Limit && (acknowledged < enough || kills < 40 && time.Since(begin) < 6*time.Second) {
		cmd := child(t, []string{"write", "load"}[kills%2], dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "writing\n" {
			t.Fatalf("the child did not start: %q, %v", line, err)
		}
		// The longer a child lives, the more it writes: more kills have longer lives.
		time.Sleep(time.Duration((20+rand.IntN(150))*(1+kills/40)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, out); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		kills++
		if kills%4 == 0 {
			acknowledged = checkLedger(t, dir)
		}
	}
	acknowledged = checkLedger(t, dir)
	t.Logf("%d kills, %d acknowledged writes", kills, acknowledged)
	if acknowledged < enough {
		t.Errorf("only %d writes were acknowledged: the test shows nothing", acknowledged)
	}
}

func prepareCrash(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var indexes []store.Index
	for _, c := range []string{"A", "B"} {
		indexes = append(indexes,
			store.Index{Collection: c, Name: "k", Keys: []store.Key{{Path: "k"}, {Path: "n", Desc: true}}},
			store.Index{Collection: c, Name: "fill", Keys: []store.Key{{Path: "fill"}}, Unique: true})
	}
	if err := s.Ensure(t.Context(), indexes); err != nil {
		t.Fatal(err)
	}
	doc, err := bson.Marshal(bson.M{"_id": "last"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "C", Doc: doc}}); err != nil {
		t.Fatal(err)
	}
}

// checkLedger opens what a killed process left, compares it with the ledgers
// and gives the number of acknowledged writes.
func checkLedger(t *testing.T, dir string) int {
	t.Helper()
	s, err := Open(dir, Options{Recent: 1000 << rand.IntN(12)}) // what was left may be more than fits
	if err != nil {
		t.Fatalf("open after a kill: %v", err)
	}
	defer s.Close()
	checkIntegrity(t, s)
	inA, inB := idsOf(t, s, "A"), idsOf(t, s, "B")
	acknowledged := 0
	for w := range crashWriters {
		data, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("ledger%d", w)))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			id, whole := strings.CutSuffix(string(line), "\n")
			if !whole {
				continue
			}
			acknowledged++
			if !inA[id] {
				t.Errorf("%s was acknowledged and is lost", id)
			}
		}
	}
	for id := range inB {
		if !inA[id] {
			t.Errorf("%s is in B but not in A: half an Apply", id)
		}
	}
	for id := range inA {
		// B lacks those that a later Apply deleted: every fifth but one.
		var n int
		if _, err := fmt.Sscanf(id[strings.LastIndexByte(id, '-')+1:], "%d", &n); err != nil {
			t.Fatal(err)
		}
		if n%5 != 3 && !inB[id] {
			t.Errorf("%s is in A but not in B: half an Apply", id)
		}
	}
	return acknowledged
}

// idsOf finds the documents through the index, and makes sure that it knows
// exactly those that the table has.
func idsOf(t *testing.T, s *Store, collection string) map[string]bool {
	t.Helper()
	ids := make(map[string]bool)
	where := store.Eq{Path: "k", Value: store.V("all")}
	order := []store.Key{{Path: "n", Desc: true}}
	for doc, err := range s.Find(t.Context(), store.Query{Collection: collection, Where: where, Order: order}) {
		if err != nil {
			t.Fatal(err)
		}
		ids[store.ID(doc).StringValue()] = true
	}
	n, err := s.Count(t.Context(), store.Query{Collection: collection})
	if err != nil || n != int64(len(ids)) {
		t.Errorf("%s: the index has %d documents, the table %d (%v)", collection, len(ids), n, err)
	}
	return ids
}

// checkIntegrity lets SQLite look for damage.
func checkIntegrity(t *testing.T, s *Store) {
	t.Helper()
	c, err := s.readers.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.readers.put(c)
	err = c.each("PRAGMA integrity_check", func(s *stmt) error {
		if got := s.text(0); got != "ok" {
			t.Errorf("integrity check: %s", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
