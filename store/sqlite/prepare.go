package sqlite

import "github.com/portico-fhir/portico/store"

// prepared is what a caller of Apply works out about an op before it queues, so
// that the one writer has less to do.
type prepared struct {
	indexes []*index // as they were then
	entries []entries
	form    []byte   // in which the document is stored
	list    []byte   // that is stored apart
	others  [][]byte // of its strings, that have no number
}

// entries are a document's entries in one index.
type entries struct {
	keys  [][]byte
	multi uint64
}

// prepare works out what can be known of ops without looking at what is stored. What
// is wrong with a document the writer finds out again.
func (s *Store) prepare(ops []store.Op) []prepared {
	cat := s.catalog.Load()
	list := make([]prepared, len(ops))
	for i, op := range ops {
		if op.Doc == nil {
			continue
		}
		p := &list[i]
		p.form, p.list, p.others = s.encode(op.Doc)
		coll := cat.collections[op.Collection]
		if coll == nil {
			continue
		}
		list := make([]entries, len(coll.indexes))
		for j, ix := range coll.indexes {
			var err error
			if list[j].keys, list[j].multi, err = ix.entriesOf(op.Doc); err != nil {
				list = nil
				break
			}
		}
		if list != nil {
			p.indexes, p.entries = coll.indexes, list
		}
	}
	return list
}

// encode gives the form in which a document is stored, the list that is stored apart, nil if there
// is none, and those of its strings that may be worth a number.
func (s *Store) encode(doc store.Doc) (form, list []byte, others [][]byte) {
	form, values := encodeDocument(doc)
	if values != nil {
		list, others = s.strings.encode(values)
	}
	return form, list, others
}

// current gives p if it is about the indexes that the collection has by now, or
// nil.
func (p *prepared) current(coll *collection) *prepared {
	if p == nil || len(p.entries) != len(coll.indexes) {
		return nil
	}
	for i, ix := range coll.indexes {
		if p.indexes[i] != ix {
			return nil
		}
	}
	return p
}
