package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/portico-fhir/portico/store"
)

// buildEntries is how many entries are sorted before they are written, so that
// they go into the table in runs.
const buildEntries = 1 << 16

// Ensure implements store.Store. Writes wait while an index is built, reads do
// not. ErrExists when documents have the same value of a unique index.
func (s *Store) Ensure(ctx context.Context, indexes []store.Index) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	for _, def := range indexes {
		if err := def.Validate(); err != nil {
			return err
		}
	}
	if len(indexes) == 0 {
		return ctx.Err()
	}
	if ok, err := s.declared(indexes); ok || err != nil {
		return err
	}
	w := s.writer
	return w.alone(ctx, func() error {
		// No edits are kept of an index that goes.
		if err := w.carryOutAll(); err != nil {
			return err
		}
		for _, def := range indexes {
			if err := w.ensure(ctx, def); err != nil {
				return err
			}
		}
		return nil
	})
}

// declared reports whether all of the indexes are there already.
func (s *Store) declared(indexes []store.Index) (bool, error) {
	cat := s.catalog.Load()
	for _, def := range indexes {
		coll := cat.collections[def.Collection]
		if coll == nil {
			return false, nil
		}
		ok, err := coll.has(def)
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// has reports whether the index is there; it is an error when its name is
// another's.
func (c *collection) has(def store.Index) (bool, error) {
	ix := c.index(def.Name)
	if ix == nil {
		return false, nil
	}
	have, want := ix.def, def
	if !slices.Equal(have.Keys, want.Keys) || have.Unique != want.Unique || have.Sparse != want.Sparse ||
		have.ExpireAfter != want.ExpireAfter || have.Loose != want.Loose {
		return false, fmt.Errorf("%w: index %s of %s is declared otherwise already", store.ErrInvalid, def.Name, def.Collection)
	}
	return true, nil
}

// ensure makes one index within the transaction.
func (w *writer) ensure(ctx context.Context, def store.Index) error {
	coll, err := w.collection(def.Collection)
	if err != nil {
		return err
	}
	if ok, err := coll.has(def); ok || err != nil {
		return err
	}
	def.Keys = slices.Clone(def.Keys)
	text, err := encodeDefinition(def)
	if err != nil {
		return err
	}
	err = w.conn.run("INSERT INTO portico_indexes(cid, name, definition, multi) VALUES(?,?,?,0)", coll.cid, def.Name, text)
	if err != nil {
		return err
	}
	ix := newIndex(w.conn.lastRowID(), coll, def, 0)
	if err := w.conn.exec(ix.create()); err != nil {
		return err
	}
	if err := w.build(ctx, coll, ix); err != nil {
		return err
	}
	coll = coll.withIndex(ix)
	for _, name := range def.Replaces {
		old := coll.index(name)
		if old == nil {
			continue
		}
		if err := w.drop(old); err != nil {
			return err
		}
		coll = coll.without(name)
	}
	w.cat = w.cat.with(coll)
	return nil
}

// drop removes an index from the file.
func (w *writer) drop(ix *index) error {
	w.conn.forget() // statements on its table
	if err := w.conn.run("DELETE FROM portico_indexes WHERE iid=?", ix.iid); err != nil {
		return err
	}
	if err := w.conn.run(dropCounts, ix.iid); err != nil {
		return err
	}
	delete(w.counters, ix.iid)
	return w.conn.exec(ix.dropped())
}

// build makes the entries of the documents that there are.
func (w *writer) build(ctx context.Context, coll *collection, ix *index) error {
	var list []edit
	docs := 0
	err := w.conn.each(coll.scan, func(s *stmt) error {
		if docs++; docs&0xFF == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		d, err := document(s.blob(2))
		if err != nil {
			return err
		}
		doc, err := w.conn.own(coll, s.int(1), &d)
		if err != nil {
			return err
		}
		keys, multi, err := ix.entriesOf(doc)
		if err != nil {
			return err
		}
		if err := w.markMulti(ix, multi); err != nil {
			return err
		}
		rid := s.int(1)
		if ix.def.Unique {
			return w.buildUnique(ix, keys, rid, s.blob(0))
		}
		for _, key := range keys {
			list = append(list, edit{row: row{key, rid}})
		}
		if len(list) < buildEntries {
			return nil
		}
		err = w.writeRuns(ix, net(list))
		clear(list)
		list = list[:0]
		return err
	})
	if err != nil {
		return err
	}
	return w.writeRuns(ix, net(list))
}

func (w *writer) buildUnique(ix *index, keys [][]byte, rid int64, id []byte) error {
	err := w.checkUnique(ix, keys, rid, id)
	var taken *takenError
	if errors.As(err, &taken) {
		return fmt.Errorf("%w: index %s of %s: two documents have the same value", store.ErrExists, ix.def.Name, ix.def.Collection)
	}
	if err != nil {
		return err
	}
	list := make([]edit, len(keys))
	for i, key := range keys {
		list[i].row = row{key, rid}
	}
	return w.writeRuns(ix, list)
}
