package index

import "github.com/portico-fhir/portico/fhir/path"

// scratch is what making the entries of one resource takes. It is used again for the
// next.
type scratch struct {
	reader
	doc      path.Doc
	keys     keyList
	words    []string        // of one text
	seen     map[string]bool // words that have an entry
	pairs    parts
	patients []string // beginnings of the entries of records
	scoped   []string // entries that such beginnings come before
}

// kept bounds the memory that a scratch holds on to, in entries, items and values.
const kept = 1 << 12

func (ps *Parameters) scratch() *scratch {
	if s, ok := ps.spare.Get().(*scratch); ok {
		return s
	}
	return &scratch{seen: make(map[string]bool)}
}

// recycle keeps s for the next resource, without what it knows of this one.
func (ps *Parameters) recycle(s *scratch) {
	for _, size := range []int{
		cap(s.keys.keys), cap(s.found), cap(s.read), cap(s.words), cap(s.patients), cap(s.scoped), cap(s.pairs.codes), cap(s.pairs.numbers),
		cap(s.pairs.families), cap(s.pairs.givens),
	} {
		if size > kept {
			return
		}
	}
	s.doc.Clear()
	s.keys.reset()
	clear(s.seen)
	clear(s.words[:cap(s.words)])
	s.pairs.reset()
	clear(s.found[:cap(s.found)])
	clear(s.read[:cap(s.read)])
	clear(s.patients)
	clear(s.scoped)
	s.patients, s.scoped = s.patients[:0], s.scoped[:0]
	ps.spare.Put(s)
}
