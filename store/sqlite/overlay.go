package sqlite

import (
	"bytes"
	"sort"
)

// editsWithin gives the part of the edits whose keys lie in the span.
func editsWithin(list []edit, s span) []edit {
	from := func(key []byte) int {
		return sort.Search(len(list), func(i int) bool { return bytes.Compare(list[i].key, key) >= 0 })
	}
	low := from(s.low)
	return list[low:max(low, from(s.high))]
}

// more gives how many more entries a span has by the edits.
func more(lists [][]edit, s span) (n int64) {
	for _, list := range lists {
		if list = editsWithin(list, s); len(list) > 0 {
			n += int64(list[len(list)-1].net - list[0].net + list[0].sign())
		}
	}
	return n
}

// overlay goes through what edits come to in a span.
type overlay struct {
	lists [][]edit // each in order
	ahead edit     // the next one
	on    bool     // there is one
}

// start turns to a span.
func (o *overlay) start(all [][]edit, s span, down bool) {
	o.lists = o.lists[:0]
	for _, list := range all {
		if list = editsWithin(list, s); len(list) > 0 {
			o.lists = append(o.lists, list)
		}
	}
	o.next(down)
}

// next goes to the next edit: what came and went in several batches is passed over.
func (o *overlay) next(down bool) {
	for o.on = false; ; {
		first := -1
		for i, list := range o.lists {
			if len(list) > 0 && (first < 0 || before(head(list, down).row, head(o.lists[first], down).row, down)) {
				first = i
			}
		}
		if first < 0 {
			return
		}
		o.ahead = *head(o.lists[first], down)
		sum := int32(0)
		for i, list := range o.lists {
			if len(list) > 0 && compareRows(head(list, down).row, o.ahead.row) == 0 {
				sum += head(list, down).sign()
				if down {
					o.lists[i] = list[:len(list)-1]
				} else {
					o.lists[i] = list[1:]
				}
			}
		}
		if sum != 0 {
			o.ahead.gone, o.on = sum < 0, true
			return
		}
	}
}

// head is the first of a list, or the last when it is read downward.
func head(list []edit, down bool) *edit {
	if down {
		return &list[len(list)-1]
	}
	return &list[0]
}

func before(a, b row, down bool) bool {
	c := compareRows(a, b)
	return c < 0 && !down || c > 0 && down
}
