package record

import (
	"errors"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/store"
)

// plan is one attempt at a commit: the ops that carry it out if nobody else
// writes in between, and what to answer then.
type plan struct {
	now     time.Time
	newID   func() string
	index   *index.Indexer
	moved   map[string]bool // history ids that turned out to be taken
	ops     []store.Op
	results []fhir.Result
	before  []fhir.Result // of changes that are planned elsewhere
	packer  packer
}

// add plans one change to a resource whose current version is cur, number 0 when
// there is none.
func (p *plan) add(c fhir.Change, cur version) error {
	if c.Finish != nil {
		body, err := c.Finish(append(p.before, p.results...))
		if err != nil {
			return err
		}
		if body == nil {
			p.answer(fhir.Absent, fhir.Resource{Key: c.Key})
			return nil
		}
		c.Body = body
	}
	exists := cur.number > 0 && !cur.deleted
	if c.IfMatch != "" && (cur.number == 0 || c.IfMatch != cur.resource(c.Key).Version) {
		return fhir.Errorf(fhir.CodeConflict, "http.If-Match", "%s is not at version %q.", c.Key, c.IfMatch)
	}
	if exists && (c.IfNoneMatch || c.Method == fhir.Create) {
		return fhir.Errorf(fhir.CodeConflict, "http.If-None-Match", "%s exists already.", c.Key)
	}
	next := version{number: cur.number + 1, updated: p.now, method: c.Method, born: !exists}
	if !next.updated.After(cur.updated) {
		next.updated = cur.updated.Add(time.Millisecond)
	}
	status := fhir.Created
	switch c.Method {
	case fhir.Create:
		if c.Key.ID == "" {
			c.Key.ID = p.newID()
		}
	case fhir.Put, fhir.Patch:
		if exists {
			unchanged, err := same(cur.body, c.Body)
			if err != nil {
				return malformed(err)
			}
			if unchanged {
				p.answer(fhir.Unchanged, cur.resource(c.Key))
				return nil
			}
			status = fhir.Updated
		}
	case fhir.Delete:
		if !exists {
			p.answer(fhir.Absent, fhir.Resource{Key: c.Key})
			return nil
		}
		next.deleted, status = true, fhir.Deleted
	default:
		return fhir.Errorf(fhir.CodeNotSupported, "", "Records cannot be changed in this way.")
	}
	if !next.deleted {
		body, err := splice(c.Body, stamp{id: c.Key.ID, version: next.number, updated: next.updated})
		if err != nil {
			return malformed(err)
		}
		next.body = body
		if next.entries, err = p.index.Index(c.Key.Type, body); err != nil {
			if fault := (*fhir.Error)(nil); errors.As(err, &fault) {
				return err
			}
			return malformed(err)
		}
		next.rank = rank(next.entries.Date, c.Key.ID)
	}
	p.write(c.Key, cur, next)
	p.answer(status, next.resource(c.Key))
	return nil
}

// write puts next in the place of cur, which moves to the history.
func (p *plan) write(key fhir.Key, cur, next version) {
	if !next.deleted {
		next.packed = p.packer.pack(next.body)
	}
	doc := encode(key.ID, next)
	if cur.number == 0 {
		p.ops = append(p.ops, store.Op{Kind: store.Insert, Collection: collection(key.Type), Doc: doc})
		return
	}
	if id := historyID(key.ID, cur.number); !p.moved[string(key.Type)+"/"+id] {
		cur.owner, cur.ended = key.ID, next.updated
		p.ops = append(p.ops, store.Op{Kind: store.Insert, Collection: historyCollection(key.Type), Doc: encode(id, cur)})
	}
	p.ops = append(p.ops, store.Op{
		Kind:       store.Replace,
		Collection: collection(key.Type),
		ID:         store.String(key.ID),
		Doc:        doc,
		If:         store.Eq{Path: fieldVersion, Value: store.V(cur.number)},
	})
}

func (p *plan) answer(s fhir.Status, res fhir.Resource) {
	p.results = append(p.results, fhir.Result{Status: s, Resource: res})
}

// note remembers which version could not be moved since the history has it. If
// another writer moved it, the current version is another one by now. If it is
// still current, a store without transactions stopped behind the move, and the
// next attempt must go without it.
func (p *plan) note(failed int, err error) error {
	if !errors.Is(err, store.ErrExists) || failed+1 >= len(p.ops) {
		return nil
	}
	insert, replace := p.ops[failed], p.ops[failed+1]
	if insert.Kind == store.Insert && replace.Kind == store.Replace && insert.Collection == replace.Collection+"_history" {
		id, _ := store.ID(insert.Doc).StringValueOK()
		p.moved[replace.Collection+"/"+id] = true
	}
	return nil
}

// malformed is the answer to a body that should never have come here.
func malformed(err error) error {
	return fhir.Errorf(fhir.CodeStructure, "", "The content is not a JSON object with a resourceType.").Because(err)
}
