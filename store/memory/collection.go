package memory

import (
	"fmt"

	"github.com/portico-fhir/portico/store"
)

// collection holds documents by the key of their _id, and the indexes declared
// over them. A document's bytes are never changed.
type collection struct {
	docs    map[string]store.Doc
	indexes map[string]*index
}

// index is a declared index. It only constrains: taken says which document has
// which entry of a unique one.
type index struct {
	store.Index
	taken map[string]string
}

func newCollection() *collection {
	return &collection{docs: map[string]store.Doc{}, indexes: map[string]*index{}}
}

func key(id store.Value) string { return string(store.AppendKey(nil, id, false)) }

// entries gives the keys of d's entries in ix.
func (ix *index) entries(d store.Doc) ([]string, error) {
	tuples, err := store.Entries(ix.Index, d)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(tuples))
	for i, tuple := range tuples {
		var b []byte
		for _, v := range tuple {
			b = store.AppendKey(b, v, false)
		}
		keys[i] = string(b)
	}
	return keys, nil
}

// check says whether d may be the document under id as far as ix goes.
func (ix *index) check(id string, d store.Doc) error {
	entries, err := ix.entries(d)
	if err != nil || !ix.Unique {
		return err
	}
	for _, e := range entries {
		if owner, ok := ix.taken[e]; ok && owner != id {
			return &taken{ix.Name}
		}
	}
	return nil
}

// claim takes the entries of d for id; release gives them back.
func (ix *index) claim(id string, d store.Doc) {
	entries, _ := ix.entries(d) // checked before
	for _, e := range entries {
		ix.taken[e] = id
	}
}

func (ix *index) release(d store.Doc) {
	entries, _ := ix.entries(d) // checked before
	for _, e := range entries {
		delete(ix.taken, e)
	}
}

// put makes doc the document under id; nil removes it. It changes nothing when
// an index forbids it.
func (c *collection) put(id string, doc store.Doc) error {
	if doc != nil {
		for _, ix := range c.indexes {
			if err := ix.check(id, doc); err != nil {
				return err
			}
		}
	}
	old := c.docs[id]
	for _, ix := range c.indexes {
		if old != nil && ix.Unique {
			ix.release(old)
		}
		if doc != nil && ix.Unique {
			ix.claim(id, doc)
		}
	}
	if doc == nil {
		delete(c.docs, id)
		return nil
	}
	c.docs[id] = doc
	return nil
}

// declare adds ix if all documents satisfy it.
func (c *collection) declare(ix store.Index) error {
	if old, ok := c.indexes[ix.Name]; ok {
		if !same(old.Index, ix) {
			return fmt.Errorf("%w: index %s is declared otherwise", store.ErrInvalid, ix.Name)
		}
		return nil
	}
	added := &index{Index: ix, taken: map[string]string{}}
	for id, doc := range c.docs {
		if err := added.check(id, doc); err != nil {
			return err
		}
		if ix.Unique {
			added.claim(id, doc)
		}
	}
	c.indexes[ix.Name] = added
	for _, name := range ix.Replaces {
		delete(c.indexes, name)
	}
	return nil
}

// taken is ErrExists for a unique index.
type taken struct{ name string }

func (e *taken) Error() string { return fmt.Sprintf("%v: index %s", store.ErrExists, e.name) }
func (e *taken) Unwrap() error { return store.ErrExists }
