package sqlite

import (
	"errors"
	"fmt"

	lib "modernc.org/sqlite/lib"

	"github.com/portico-fhir/portico/store"
)

// pending is an op that was checked and can be carried out.
type pending struct {
	kind    store.OpKind
	coll    *collection
	id      []byte // key of the _id
	rid     int64
	doc     store.Doc
	form    []byte // in which doc is stored; nil when that is still to be worked out
	list    []byte // that is stored apart
	had     bool   // a list was stored apart before
	changes []change
}

// errHalf says that an op failed in the middle, so that only the end of the
// transaction can undo it. It takes damage to get there.
var errHalf = errors.New("sqlite: half an op")

// apply carries out the ops of r within the group's transaction, all or none
// unless the error lost the whole transaction.
func (w *writer) apply(r *request) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	for i := range r.ready {
		w.learner.note(w.store.strings, r.ready[i].others)
	}
	if w.independent(r.ops) {
		return w.applyChecked(r)
	}
	if err := w.conn.run("SAVEPOINT one"); err != nil {
		return err
	}
	before, noted, counters := w.cat, w.notedEdits(), w.counters.size()
	for i, op := range r.ops {
		err := w.applyOne(i, op, &r.ready[i])
		if err == nil {
			continue
		}
		if lost(err) {
			return err
		}
		w.cat = before
		w.forgetEdits(noted)
		if undo := w.conn.run("ROLLBACK TO one"); undo != nil {
			return undo
		}
		if undo := w.conn.run("RELEASE one"); undo != nil {
			return undo
		}
		if w.counters.size() != counters {
			w.counters = nil // some were made, and are gone
			if failed := w.loadCounters(); failed != nil {
				return fmt.Errorf("%w: %w", errHalf, failed)
			}
		}
		return err
	}
	return w.conn.run("RELEASE one")
}

// independent reports whether no op can see the effect of another: then all
// can be checked before the first changes anything, which spares the savepoint
// and SQLite's copies of the pages.
func (w *writer) independent(ops []store.Op) bool {
	if len(ops) == 1 {
		return true
	}
	seen := make(map[string]bool, len(ops))
	unique := make(map[*collection]bool)
	var key []byte
	for _, op := range ops {
		key = append(append(key[:0], op.Collection...), 0)
		key = store.AppendKey(key, idOf(op), false)
		if seen[string(key)] {
			return false
		}
		seen[string(key)] = true
		if coll := w.cat.collections[op.Collection]; coll != nil && coll.unique() {
			if unique[coll] {
				return false
			}
			unique[coll] = true
		}
	}
	return true
}

func idOf(op store.Op) store.Value {
	if op.Kind == store.Insert {
		return store.ID(op.Doc)
	}
	return op.ID
}

// applyChecked checks all ops and then carries them out.
func (w *writer) applyChecked(r *request) error {
	ops := r.ops
	list := make([]pending, len(ops))
	for i, op := range ops {
		if err := w.check(op, &r.ready[i], &list[i], len(ops) > 1); err != nil {
			return opError(i, err)
		}
	}
	for i := range list {
		if err := w.carry(&list[i]); err != nil {
			if (i > 0 || !errors.Is(err, store.ErrExists)) && !lost(err) {
				return fmt.Errorf("%w: %w", errHalf, err)
			}
			return opError(i, err)
		}
	}
	return w.settle(list)
}

func (w *writer) applyOne(i int, op store.Op, ready *prepared) error {
	list := make([]pending, 1)
	if err := w.check(op, ready, &list[0], false); err != nil {
		return opError(i, err)
	}
	if err := w.carry(&list[0]); err != nil {
		return opError(i, err)
	}
	return w.settle(list)
}

// settle notes what ops that were carried out change besides the documents.
func (w *writer) settle(list []pending) error {
	err := w.writeEntries(list)
	if err == nil {
		err = w.countDocuments(list)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errHalf, err)
	}
	return nil
}

// opError gives the *store.OpError for what is the matter with op i. What is
// the matter with the file stays as it is.
func opError(i int, err error) error {
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

// check finds out whether op can be carried out and what that takes. With free
// it also looks whether the _id of an insert is free; else carry will.
func (w *writer) check(op store.Op, ready *prepared, p *pending, free bool) error {
	p.kind, p.form, p.list = op.Kind, ready.form, ready.list
	p.id = store.AppendKey(nil, idOf(op), false)
	if op.Kind == store.Insert {
		return w.checkInsert(op, ready, p, free)
	}
	p.coll = w.cat.collections[op.Collection]
	if p.coll == nil {
		return store.ErrConflict
	}
	old, err := w.locate(p)
	if err != nil {
		return err
	}
	if op.If != nil && !store.Match(op.If, old) {
		return store.ErrConflict
	}
	switch op.Kind {
	case store.Replace:
		p.doc = op.Doc
	case store.Update:
		if p.doc, err = store.Updated(old, op.Set, op.Unset); err != nil {
			return err
		}
	}
	p.changes, err = w.changes(p.coll, old, p.doc, ready, p.rid, p.id)
	return err
}

func (w *writer) checkInsert(op store.Op, ready *prepared, p *pending, free bool) error {
	coll, err := w.collection(op.Collection)
	if err != nil {
		return err
	}
	p.coll, p.doc = coll, op.Doc
	p.changes, err = w.changes(coll, nil, op.Doc, ready, 0, p.id) // 0 is nobody's rid: the new one is not known yet
	var taken *takenError
	if err != nil && !errors.As(err, &taken) {
		return err
	}
	if err == nil && !free {
		return nil
	}
	// Of two values that are taken the _id is the one to report.
	n, failed := w.conn.number(coll.byKey.count, p.id, after(p.id), int64(1))
	if failed != nil {
		return failed
	}
	if n > 0 {
		return store.ErrExists
	}
	return err
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

// locate finds the document that p is about and gives a copy of it, or ErrConflict.
func (w *writer) locate(p *pending) (store.Doc, error) {
	s, err := w.conn.prepare(p.coll.locate)
	if err != nil {
		return nil, err
	}
	defer s.release()
	if err := s.bindBlob(0, p.id); err != nil {
		return nil, err
	}
	more, err := s.step()
	if err != nil {
		return nil, err
	}
	if !more {
		return nil, store.ErrConflict
	}
	d, err := document(s.blob(1))
	if err != nil {
		return nil, err
	}
	p.rid, p.had = s.int(0), d.name != nil
	return w.conn.own(p.coll, p.rid, &d)
}

// carry writes the document. Its entries are left to writeEntries.
func (w *writer) carry(p *pending) error {
	switch p.kind {
	case store.Insert:
		return w.insert(p)
	case store.Delete:
		if p.had {
			if err := w.conn.run(p.coll.removeList, p.rid); err != nil {
				return err
			}
		}
		return w.conn.run(p.coll.remove, p.rid)
	}
	return w.replace(p)
}

// carryList writes the list that is kept apart from the document.
func (w *writer) carryList(p *pending) error {
	switch {
	case p.list != nil:
		return w.conn.run(p.coll.setList, p.rid, p.list)
	case p.had:
		return w.conn.run(p.coll.removeList, p.rid)
	}
	return nil
}

func (w *writer) insert(p *pending) error {
	s, err := w.conn.prepare(p.coll.insert)
	if err != nil {
		return err
	}
	defer s.release()
	if err := s.bindBlob(0, p.id); err != nil {
		return err
	}
	if err := w.bindDoc(s, 1, p); err != nil {
		return err
	}
	if _, err := s.step(); err != nil {
		var f *Fault
		if errors.As(err, &f) && f.Code == lib.SQLITE_CONSTRAINT_UNIQUE {
			return store.ErrExists
		}
		return err
	}
	p.rid = w.conn.lastRowID()
	return w.carryList(p)
}

// bindDoc binds a document in the form in which it is stored.
func (w *writer) bindDoc(s *stmt, i int, p *pending) error {
	if p.form == nil {
		p.form, p.list, _ = w.store.encode(p.doc)
	}
	return s.bindBlob(i, p.form)
}

func (w *writer) replace(p *pending) error {
	s, err := w.conn.prepare(p.coll.update)
	if err != nil {
		return err
	}
	defer s.release()
	if err := w.bindDoc(s, 0, p); err != nil {
		return err
	}
	if err := s.bindInt(1, p.rid); err != nil {
		return err
	}
	if _, err := s.step(); err != nil {
		return err
	}
	return w.carryList(p)
}
