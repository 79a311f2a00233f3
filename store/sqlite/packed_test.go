package sqlite

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Packed batches, merged from any place on and in portions of any size, are what the same batches come to
// in memory.
func TestAMergeGivesWhatAJoinDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all batch
		var packed [][]byte
		there := make(map[string]bool) // at random at first, then as the edits say
		for range rapid.IntRange(0, 8).Draw(t, "batches") {
			var fresh batch
			for iid := int64(1); iid <= 3; iid++ {
				var list []edit
				for range rapid.SampledFrom([]int{0, 1, 5, 40}).Draw(t, "edits") {
					e := edit{row: drawRow(t)}
					name := fmt.Sprintf("%d %s/%d", iid, e.key, e.rid)
					known := false
					if e.gone, known = there[name]; !known {
						e.gone = rapid.Bool().Draw(t, "there")
					}
					there[name] = !e.gone
					list = append(list, e)
				}
				fresh.add(iid, net(list))
			}
			all = join(all, fresh)
			packed = append(packed, new(writer).appendBatch(nil, fresh))
		}
		var behind place
		if rapid.Bool().Draw(t, "begun") {
			behind = place{rapid.Int64Range(1, 4).Draw(t, "iid"), drawRow(t)}
		}
		var want, got []string
		say := func(list []string, iid int64, edits []edit) []string {
			for _, e := range edits {
				list = append(list, fmt.Sprintf("%d %s/%d %t", iid, e.key, e.rid, e.gone))
			}
			return list
		}
		rest := all.behind(behind)
		for _, p := range rest.parts {
			want = say(want, p.iid, p.list)
		}
		m, err := newMerger(packed, behind)
		for err == nil {
			var iid int64
			var list []edit
			if iid, list, err = m.take(rapid.IntRange(1, 30).Draw(t, "portion")); iid == 0 {
				break
			}
			got = say(got, iid, list)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%v (-joined +merged):\n%s", err, diff)
		}
	})
}

func drawRow(t *rapid.T) row {
	return row{fmt.Appendf(nil, "k%02d!", rapid.IntRange(0, 12).Draw(t, "key")), rapid.Int64Range(1, 3).Draw(t, "rid")}
}

func FuzzMerger(f *testing.F) {
	var b batch
	b.add(3, net([]edit{{row: row{[]byte("abc"), 7}}, {row: row{[]byte("abd"), 9}, gone: true}}))
	b.add(9, net([]edit{{row: row{[]byte("x"), 1}}}))
	data := new(writer).appendBatch(nil, b)
	f.Add(data, data, []byte("abc"))
	f.Fuzz(func(t *testing.T, a, b, key []byte) {
		m, err := newMerger([][]byte{a, b}, place{3, row{key, 7}})
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			iid, list, err := m.take(4)
			if err != nil || iid == 0 {
				return
			}
			if len(list) > 4 {
				t.Fatalf("%d edits", len(list))
			}
			if n > len(a)+len(b) {
				t.Fatal("more portions than bytes")
			}
		}
	})
}
