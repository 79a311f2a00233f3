package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/store"
)

// emptyIndex makes an index that edits can be written to.
func emptyIndex(t testing.TB) (*Store, *index) {
	t.Helper()
	s := open(t, t.TempDir(), Options{})
	err := s.Ensure(t.Context(), []store.Index{{Collection: "A", Name: "x", Keys: []store.Key{{Path: "k"}, {Path: "_id"}}, Loose: true}})
	if err != nil {
		t.Fatal(err)
	}
	return s, s.catalog.Load().collections["A"].indexes[0]
}

func writeEdits(s *Store, ix *index, list []edit) error {
	w := s.writer
	return w.alone(context.Background(), func() error { return w.writeRuns(ix, list) })
}

// contents reads the entries in a span, downward in reverse.
func contents(c *conn, ix *index, sp span, down bool) ([]string, error) {
	w, err := newWalk(c, nil, &access{ix: ix, lanes: []lane{{spans: []span{sp}}}, down: down})
	if err != nil {
		return nil, err
	}
	defer w.close()
	var list []string
	for {
		e, err := w.next()
		if err != nil || e == nil {
			return list, err
		}
		list = append(list, fmt.Sprintf("%s/%d", e.key, e.rid))
	}
}

func TestRunsHoldWhatASetDoes(t *testing.T) {
	t.Parallel()
	s, ix := emptyIndex(t)
	c, err := s.readers.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.readers.put(c) })
	keys := rapid.Custom(func(t *rapid.T) []byte {
		// Keys end by themselves, as those of store.AppendKey.
		n := rapid.SampledFrom([]int{1, 3, 40, 300}).Draw(t, "length")
		return fmt.Appendf(nil, "%s%03d!", strings.Repeat("k", n), rapid.IntRange(0, 40).Draw(t, "key"))
	})
	rapid.Check(t, func(t *rapid.T) {
		model := make(map[string]row)
		for range rapid.IntRange(1, 6).Draw(t, "batches") {
			var list []edit
			for range rapid.SampledFrom([]int{1, 5, 100}).Draw(t, "edits") {
				e := edit{row: row{keys.Draw(t, "key"), rapid.Int64Range(1, 300).Draw(t, "rid")}, gone: rapid.IntRange(0, 2).Draw(t, "gone") == 0}
				list = append(list, e)
				name := fmt.Sprintf("%s/%d", e.key, e.rid)
				if delete(model, name); !e.gone {
					model[name] = e.row
				}
			}
			slices.SortStableFunc(list, func(a, b edit) int { return compareRows(a.row, b.row) })
			for i := len(list) - 2; i >= 0; i-- {
				if compareRows(list[i].row, list[i+1].row) == 0 {
					list = slices.Delete(list, i, i+1) // the last one counts
				}
			}
			if err := writeEdits(s, ix, list); err != nil {
				t.Fatal(err)
			}
		}
		rows := slices.SortedFunc(maps.Values(model), compareRows)
		for range 3 {
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
			got, err := contents(c, ix, sp, false)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Fatalf("%v, upward (-want +got):\n%s", err, diff)
			}
			n, err := ix.number(c, sp, -1)
			if err != nil || n != int64(len(want)) {
				t.Fatalf("%d entries counted, %v, want %d", n, err, len(want))
			}
			got, err = contents(c, ix, sp, true)
			slices.Reverse(want)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Fatalf("%v, downward (-want +got):\n%s", err, diff)
			}
		}
		var clear []edit
		for _, r := range rows {
			clear = append(clear, edit{row: r, gone: true})
		}
		if err := writeEdits(s, ix, clear); err != nil {
			t.Fatal(err)
		}
		if got, err := contents(c, ix, span{[]byte{}, []byte{0xFF}}, false); err != nil || len(got) > 0 {
			t.Fatalf("%v is left, %v", got, err)
		}
	})
}

func TestADamagedRunIsCorrupt(t *testing.T) {
	t.Parallel()
	good := appendRun(nil, []byte("ab"), []row{{[]byte("abc"), 7}, {[]byte("abd"), 300}})
	var r run
	if err := r.read([]byte("ab"), good); err != nil || len(r.rows) != 2 {
		t.Fatalf("%d rows, %v", len(r.rows), err)
	}
	for i := range good {
		if err := r.read([]byte("ab"), good[:i]); err == nil {
			t.Errorf("%d of %d bytes are taken", i, len(good))
		}
	}
	if err := r.read([]byte("ab"), append(good, 1)); err == nil {
		t.Error("a byte more is taken")
	}
}

func FuzzRun(f *testing.F) {
	f.Add([]byte("ab"), appendRun(nil, []byte("ab"), []row{{[]byte("abc"), 7}}))
	f.Add([]byte{}, []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, fence, data []byte) {
		var r run
		if err := r.read(fence, data); err != nil {
			return
		}
		var again run
		if err := again.read(fence, appendRun(nil, fence, r.rows)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.rows, again.rows, cmp.AllowUnexported(row{}), cmp.Transformer("empty", func(b []byte) string { return string(b) })); diff != "" {
			t.Error(diff)
		}
	})
}
