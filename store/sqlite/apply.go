package sqlite

import (
	"bytes"
	"errors"
	"fmt"

	lib "modernc.org/sqlite/lib"

	"github.com/portico-fhir/portico/store"
)

// plain is the format byte of a document that is stored as it is.
const plain = 0

// document takes the format byte off what is stored. The result shares its
// bytes.
func document(stored []byte) (store.Doc, error) {
	if len(stored) == 0 || stored[0] != plain {
		return nil, fmt.Errorf("sqlite: a document is stored in an unknown form: %w", store.ErrCorrupt)
	}
	return store.Doc(stored[1:]), nil
}

// scratch is memory that the writer uses again for every op.
type scratch struct {
	id []byte // key of the _id of the document that the op is about
}

// apply carries out the ops of r within the group's transaction. When it fails
// they are undone, unless the error is one that lost the whole transaction.
func (w *writer) apply(r *request) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	// A single op checks everything before it changes anything.
	if len(r.ops) == 1 {
		return w.op(0, r.ops[0])
	}
	if err := w.conn.run("SAVEPOINT one"); err != nil {
		return err
	}
	before := w.cat
	for i, op := range r.ops {
		err := w.op(i, op)
		if err == nil {
			continue
		}
		if lost(err) {
			return err
		}
		w.cat = before
		if undo := w.conn.run("ROLLBACK TO one"); undo != nil {
			return undo
		}
		if undo := w.conn.run("RELEASE one"); undo != nil {
			return undo
		}
		return err
	}
	return w.conn.run("RELEASE one")
}

// op carries out one op. Its error is an *store.OpError, or a *Fault.
func (w *writer) op(i int, op store.Op) error {
	err := w.change(op)
	if err == nil || lost(err) {
		return err
	}
	var taken *takenError
	if errors.As(err, &taken) {
		return &store.OpError{Index: i, Name: taken.index, Err: store.ErrExists}
	}
	return &store.OpError{Index: i, Err: err}
}

// takenError says which unique index has the value already.
type takenError struct{ index string }

func (e *takenError) Error() string { return "index " + e.index + " has the value" }

func (w *writer) change(op store.Op) error {
	if op.Kind == store.Insert {
		coll, err := w.collection(op.Collection)
		if err != nil {
			return err
		}
		return w.insert(coll, op.Doc)
	}
	coll := w.cat.collections[op.Collection]
	if coll == nil {
		return store.ErrConflict
	}
	rid, old, err := w.locate(coll, op.ID)
	if err != nil {
		return err
	}
	if op.If != nil && !store.Match(op.If, old) {
		return store.ErrConflict
	}
	switch op.Kind {
	case store.Replace:
		return w.replace(coll, rid, old, op.Doc)
	case store.Update:
		doc, err := store.Updated(old, op.Set, op.Unset)
		if err != nil {
			return err
		}
		return w.replace(coll, rid, old, doc)
	default:
		return w.remove(coll, rid, old)
	}
}

// collection gives the collection of that name, made now if there is none.
func (w *writer) collection(name string) (*collection, error) {
	if coll := w.cat.collections[name]; coll != nil {
		return coll, nil
	}
	if err := w.conn.run("INSERT INTO portico_collections(name) VALUES(?)", name); err != nil {
		return nil, err
	}
	coll := newCollection(w.conn.lastRowID(), name)
	if err := w.conn.exec(coll.create()); err != nil {
		return nil, err
	}
	w.cat = w.cat.with(coll)
	return coll, nil
}

// locate gives a copy of the document with that _id, or ErrConflict.
func (w *writer) locate(coll *collection, id store.Value) (int64, store.Doc, error) {
	s, err := w.conn.prepare(coll.locate)
	if err != nil {
		return 0, nil, err
	}
	defer s.release()
	w.scratch.id = store.AppendKey(w.scratch.id[:0], id, false)
	if err := s.bindBlob(0, w.scratch.id); err != nil {
		return 0, nil, err
	}
	more, err := s.step()
	if err != nil {
		return 0, nil, err
	}
	if !more {
		return 0, nil, store.ErrConflict
	}
	doc, err := document(s.blob(1))
	return s.int(0), bytes.Clone(doc), err
}

func (w *writer) insert(coll *collection, doc store.Doc) error {
	w.scratch.id = store.AppendKey(w.scratch.id[:0], store.ID(doc), false)
	changes, err := w.changes(coll, nil, doc, 0) // nobody's rid: the new one is not known yet
	if err != nil {
		var taken *takenError
		if errors.As(err, &taken) {
			return w.orTaken(coll, err)
		}
		return err
	}
	s, err := w.conn.prepare(coll.insert)
	if err != nil {
		return err
	}
	defer s.release()
	if err := s.bindBlob(0, w.scratch.id); err != nil {
		return err
	}
	if err := s.bindDoc(1, plain, doc); err != nil {
		return err
	}
	if _, err := s.step(); err != nil {
		var f *Fault
		if errors.As(err, &f) && f.Code == lib.SQLITE_CONSTRAINT_UNIQUE {
			return store.ErrExists
		}
		return err
	}
	return w.write(changes, w.conn.lastRowID())
}

// orTaken prefers to report that the _id in scratch is taken.
func (w *writer) orTaken(coll *collection, err error) error {
	n, failed := w.conn.number(coll.byKey.count, w.scratch.id, after(w.scratch.id), int64(1))
	switch {
	case failed != nil:
		return failed
	case n > 0:
		return store.ErrExists
	}
	return err
}

func (w *writer) replace(coll *collection, rid int64, old, doc store.Doc) error {
	changes, err := w.changes(coll, old, doc, rid)
	if err != nil {
		return err
	}
	s, err := w.conn.prepare(coll.update)
	if err != nil {
		return err
	}
	defer s.release()
	if err := s.bindDoc(0, plain, doc); err != nil {
		return err
	}
	if err := s.bindInt(1, rid); err != nil {
		return err
	}
	if _, err := s.step(); err != nil {
		return err
	}
	return w.write(changes, rid)
}

func (w *writer) remove(coll *collection, rid int64, old store.Doc) error {
	changes, err := w.changes(coll, old, nil, rid)
	if err != nil {
		return err
	}
	if err := w.conn.run(coll.remove, rid); err != nil {
		return err
	}
	return w.write(changes, rid)
}
