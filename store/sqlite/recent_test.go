package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/store"
)

// keep has the writer keep edits in a transaction of their own.
func keep(s *Store, ix *index, list []edit, due int, freeze bool) error {
	w := s.writer
	return w.alone(context.Background(), func() error {
		var fresh batch
		fresh.add(ix.iid, net(slices.Clone(list)))
		return w.remember(fresh, due, freeze)
	})
}

// Wherever the edits are, in memory, on their way or in the runs, and before and after a restart
// in which nothing could be finished: a reader finds the same entries.
func TestRecentEditsAndRunsAreOneIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := rapid.Custom(func(t *rapid.T) []byte {
		return fmt.Appendf(nil, "k%02d!", rapid.IntRange(0, 30).Draw(t, "key"))
	})
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		made++
		opts := Options{Recent: rapid.SampledFrom([]int{1, 2000, 1 << 20}).Draw(t, "bytes"), Loading: rapid.Bool().Draw(t, "loading")}
		s, err := Open(filepath.Join(dir, fmt.Sprint(made)), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		if err := s.Ensure(context.Background(), []store.Index{{Collection: "A", Name: "x", Keys: []store.Key{{Path: "k"}, {Path: "_id"}}, Loose: true}}); err != nil {
			t.Fatal(err)
		}
		ix := s.catalog.Load().collections["A"].indexes[0]
		model := make(map[string]row)
		for range rapid.IntRange(1, 12).Draw(t, "transactions") {
			var list []edit
			for range rapid.SampledFrom([]int{0, 1, 5, 60}).Draw(t, "edits") {
				r := row{keys.Draw(t, "key"), rapid.Int64Range(1, 5).Draw(t, "rid")}
				name := fmt.Sprintf("%s/%d", r.key, r.rid)
				_, there := model[name]
				list = append(list, edit{row: r, gone: there})
				if model[name] = r; there {
					delete(model, name)
				}
			}
			if err := keep(s, ix, list, rapid.IntRange(0, 40).Draw(t, "due"), rapid.Bool().Draw(t, "freeze")); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
				opts.Loading = rapid.Bool().Draw(t, "loading next")
				if s, err = crashed(s, filepath.Join(dir, fmt.Sprint(made, "-", len(model), "-", rapid.Int().Draw(t, "name"))), opts); err != nil {
					t.Fatal(err)
				}
				ix = s.catalog.Load().collections["A"].indexes[0]
			}
			if rapid.IntRange(0, 2).Draw(t, "unseen") == 0 {
				continue
			}
			rows := slices.SortedFunc(maps.Values(model), compareRows)
			sp := span{[]byte{}, []byte{0xFF}}
			if rapid.Bool().Draw(t, "part") {
				sp = span{keys.Draw(t, "low"), keys.Draw(t, "high")}
			}
			var want []string
			for _, r := range rows {
				if bytes.Compare(r.key, sp.low) >= 0 && bytes.Compare(r.key, sp.high) < 0 {
					want = append(want, fmt.Sprintf("%s/%d", r.key, r.rid))
				}
			}
			compareContents(t, s, ix, sp, want)
		}
	})
}

// crashed copies the files of a store as they are between two of its writes, and opens the copy.
func crashed(s *Store, dir string, opts Options) (*Store, error) {
	err := s.writer.alone(context.Background(), func() error {
		for _, name := range []string{FileName, FileName + "-wal"} {
			data, err := os.ReadFile(filepath.Join(filepath.Dir(s.path), name))
			if err == nil {
				err = os.MkdirAll(dir, 0o700)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	if err := s.Close(); err != nil {
		return s, err
	}
	return Open(dir, opts)
}

// compareContents reads the entries of a span upward and downward, in few and many lanes, and counts them.
func compareContents(t *rapid.T, s *Store, ix *index, sp span, want []string) {
	if err := s.searchable(context.Background(), store.Query{Collection: "A", Where: store.Eq{Path: "k", Value: store.V(1)}}); err != nil {
		t.Fatal(err)
	}
	c, err := s.readers.get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer s.readers.put(c)
	if err := c.snapshot(); err != nil {
		t.Fatal(err)
	}
	defer c.endSnapshot()
	for _, down := range []bool{false, true} {
		got, err := contents(c, ix, sp, down)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%v, downward: %t (-want +got):\n%s", err, down, diff)
		}
		lanes := []lane{{spans: []span{sp}}}
		for i := range manyLanes {
			key := fmt.Appendf(nil, "x%02d", i) // where there is nothing
			lanes = append(lanes, lane{spans: []span{{key, after(key)}}})
		}
		w, err := newWalk(c, nil, &access{ix: ix, lanes: lanes, down: down, ordered: true})
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for {
			e, err := w.next()
			if err != nil {
				t.Fatal(err)
			}
			if e == nil {
				break
			}
			got = append(got, fmt.Sprintf("%s/%d", e.key, e.rid))
		}
		w.close()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("merged, downward: %t (-want +got):\n%s", down, diff)
		}
		slices.Reverse(want)
	}
	for _, limit := range []int64{-1, 0, 3} {
		n, err := ix.number(c, sp, limit)
		most := int64(len(want))
		if limit >= 0 {
			most = min(most, limit)
		}
		if err != nil || n != most {
			t.Fatalf("%d entries counted of %d, %v, want %d", n, limit, err, most)
		}
	}
}

// A reader that began before a write has the edits of its own snapshot.
func TestASnapshotHasItsOwnEdits(t *testing.T) {
	t.Parallel()
	s, ix := emptyIndex(t)
	whole := span{[]byte{}, []byte{0xFF}}
	if err := keep(s, ix, []edit{{row: row{[]byte("a!"), 1}}}, 0, false); err != nil {
		t.Fatal(err)
	}
	c, err := s.readers.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.readers.put(c)
	if err := c.snapshot(); err != nil {
		t.Fatal(err)
	}
	defer c.endSnapshot()
	for i := range 3 * len(s.versions) {
		if err := keep(s, ix, []edit{{row: row{fmt.Appendf(nil, "b%d!", i), 2}}}, 5, i%2 == 0); err != nil {
			t.Fatal(err)
		}
		if got, err := contents(c, ix, whole, false); err != nil || len(got) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
	}
	c.endSnapshot()
	if err := c.snapshot(); err != nil {
		t.Fatal(err)
	}
	if got, err := contents(c, ix, whole, false); err != nil || len(got) != 1+3*len(s.versions) {
		t.Fatalf("%d entries, %v", len(got), err)
	}
}

// When there is nothing else to do, all edits go into the runs and the rows of their transactions away.
func TestEditsAreTidiedAway(t *testing.T) {
	t.Parallel()
	s, ix := emptyIndex(t)
	for i := range 2000 {
		if err := keep(s, ix, []edit{{row: row{fmt.Appendf(nil, "b%d!", i), 2}}}, 0, false); err != nil {
			t.Fatal(err)
		}
	}
	dir := dirOf(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if n, err := s.writer.conn.number("SELECT count(*) FROM portico_recent"); err != nil || n != 1 || !s.writer.conn.recent.empty() {
		t.Errorf("%d rows, %v; in memory: %d edits", n, err, s.writer.conn.recent.size())
	}
	if got, err := contents(s.writer.conn, ix, span{[]byte{}, []byte{0xFF}}, false); err != nil || len(got) != 2000 {
		t.Errorf("%d entries, %v", len(got), err)
	}
}

func FuzzBatch(f *testing.F) {
	var b batch
	b.add(3, net([]edit{{row: row{[]byte("abc"), 7}}, {row: row{[]byte("abd"), 9}, gone: true}}))
	b.add(9, net([]edit{{row: row{[]byte("x"), 1}}}))
	f.Add(new(writer).appendBatch(nil, b))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := readBatch(data)
		if err != nil {
			return
		}
		again, err := readBatch(new(writer).appendBatch(nil, b))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, again, cmp.AllowUnexported(batch{}, part{}, edit{}, row{})); diff != "" {
			t.Error(diff)
		}
	})
}
