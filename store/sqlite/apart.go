package sqlite

import (
	"bytes"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/store"
)

// apart reads the lists that are kept apart from their documents, as far as a search looks
// at them, and leaves them apart: putting a document together costs more.
type apart struct {
	field  string // that enough is about
	enough bool

	stmt *stmt
	view store.View
}

// suffices reports whether all that r asks of a field can be answered from its list.
func (a *apart) suffices(r *search, field []byte) bool {
	if a.field != string(field) {
		a.field = string(field)
		a.enough = store.Answers(r.rest, a.field) && !slices.ContainsFunc(r.order, func(k store.Key) bool {
			top, _, _ := strings.Cut(k.Path, ".")
			return top == a.field && k.Within == nil
		})
	}
	return a.enough
}

// read gives the document of an entry with its list, until the next one is read.
func (a *apart) read(c *conn, coll *collection, e *entry) (*store.View, error) {
	if a.stmt == nil {
		var err error
		if a.stmt, err = c.prepare(coll.list); err != nil {
			return nil, err
		}
	}
	if err := c.elements.read(a.stmt, e.rid, c.strings); err != nil {
		return nil, err
	}
	a.view = store.View{Doc: e.stored.rest, Field: a.field, Strings: c.elements.list, Sorted: slices.IsSortedFunc(c.elements.list, bytes.Compare)}
	return &a.view, nil
}

func (a *apart) close() {
	if a.stmt != nil {
		a.stmt.release()
		a.stmt = nil
	}
}
