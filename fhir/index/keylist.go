package index

import (
	"slices"
	"strings"
)

// keyList collects entries in one piece of memory.
type keyList struct {
	text []byte
	keys []place
}

// place is where a key stands in the text.
type place struct{ start, end int }

// add adds an entry that is made of parts.
func (l *keyList) add(parts ...string) {
	start := len(l.text)
	for _, part := range parts {
		l.text = append(l.text, part...)
	}
	l.keys = append(l.keys, place{start, len(l.text)})
}

// told leaves out, from one entry on, those that say that a code is there where another
// entry of the parameter says so.
func (l *keyList) told(from int, code string) {
	bare := func(k place) bool {
		key := l.text[k.start:k.end]
		return len(key) > len(code) && string(key[:len(code)]) == code && key[len(code)] == end[0]
	}
	added := l.keys[from:]
	if slices.ContainsFunc(added, func(k place) bool { return !bare(k) }) {
		l.keys = append(l.keys[:from], slices.DeleteFunc(added, bare)...)
	}
}

// sorted gives the entries, each once.
func (l *keyList) sorted() []string {
	if len(l.keys) == 0 {
		return nil
	}
	text := string(l.text)
	list := make([]string, len(l.keys))
	for i, k := range l.keys {
		list[i] = text[k.start:k.end]
	}
	slices.SortFunc(list, strings.Compare)
	return slices.Compact(list)
}

func (l *keyList) reset() { l.text, l.keys = l.text[:0], l.keys[:0] }
