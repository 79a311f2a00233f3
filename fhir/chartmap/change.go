package chartmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// ErrReadOnly is the cause of the refusal to update what a map with writable: false makes.
var ErrReadOnly = errors.New("the map does not let resources be updated")

// Commit implements fhir.Repository, as [commit.Do] says.
//
// A change becomes the fields that differ, set or unset in the document on the
// condition that it is still what was read. An update without a version that meets
// another writer is CodeConflict: it is never carried out on top of what the EHR
// wrote meanwhile.
func (r *Repository) Commit(ctx context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	return commit.Do(ctx, changes, func(fhir.Type) commit.Planner { return r })
}

// Prepare implements [commit.Planner].
func (r *Repository) Prepare(ctx context.Context, changes []fhir.Change) (commit.Prepared, error) {
	for _, c := range changes {
		if can := r.Describe(c.Key.Type); !permits(can, c) {
			return commit.Prepared{}, fhir.Errorf(fhir.CodeNotSupported, "", "A %s of the EHR cannot be changed in this way.", c.Key.Type)
		}
	}
	if err := r.reservations.Declare(ctx, r.Store, changes); err != nil {
		return commit.Prepared{}, err
	}
	return commit.Prepared{Store: r.Store, Plan: func(ctx context.Context) (*commit.Plan, error) {
		reserved, err := r.reservations.Plan(ctx, r.Store, r, changes)
		if err != nil {
			return nil, err
		}
		p := &planner{Repository: r, now: store.Now(r.Now), docs: map[string]*work{}, counters: map[string]counted{}, approved: commit.Approved(ctx), ops: reserved, blind: map[int]fhir.Key{}}
		if a, ok := commit.ActorOf(ctx); ok {
			p.actor = &a
		}
		for _, c := range changes {
			if err := p.change(ctx, c); err != nil {
				return nil, err
			}
		}
		results, err := p.results()
		return &commit.Plan{Ops: p.ops, Results: results, Failed: p.failed}, err
	}}, nil
}

func permits(can fhir.Capability, c fhir.Change) bool {
	switch c.Method {
	case fhir.Create:
		return can.Create
	case fhir.Put, fhir.Patch:
		return can.Update
	case fhir.Delete:
		return can.Delete
	}
	return false
}

// planner is one attempt at a commit.
type planner struct {
	*Repository
	now      time.Time
	actor    *commit.Actor // nil when it is not known who acts
	docs     map[string]*work
	ops      []store.Op
	done     []outcome
	counters map[string]counted
	approved bool             // somebody has looked at the changes
	blind    map[int]fhir.Key // ops of updates that named no version
}

// work is a document on its way through a commit.
type work struct {
	collection string
	id         store.Value
	read, now  store.Doc // nil: it is not there
	guarded    bool      // an op depends on that it still is as it was read
	raised     []string  // version fields that were raised
	element    int       // position of the element that is being changed, with each
}

// outcome is what became of a change; the resource is made when all are planned.
type outcome struct {
	status fhir.Status
	key    fhir.Key
	branch *branch // nil where there is no resource
	work   *work
	layer  *overlay
}

// failed ends the commit where an update that named no version met another writer.
func (p *planner) failed(op int, err error) error {
	if key, ok := p.blind[op]; ok && errors.Is(err, store.ErrConflict) {
		return fhir.Errorf(fhir.CodeConflict, "", "%s was changed in the EHR at the same moment. Read it again.", key)
	}
	return nil
}

// load finds the document of a resource and the branch that makes it. The branch is nil
// where there is none.
func (p *planner) load(ctx context.Context, key fhir.Key) (*branch, *work, error) {
	s := p.Map.types[key.Type]
	what, ok := s.ids.parseIdent(key.ID)
	if !ok {
		return nil, nil, nil
	}
	for _, b := range s.branches {
		if b.suffix != what.suffix || b.spreads() != what.array || b.group != nil {
			continue
		}
		w, err := p.document(ctx, b, what.key)
		if err != nil {
			return nil, nil, err
		}
		if w == nil {
			continue
		}
		if now := p.seen(b, w.now, key).doc; now != nil && b.base.match(now) && (!lay(ctx) || b.released(now)) {
			return b, w, nil
		}
	}
	return nil, nil, nil
}

// document reads a document whole, once for all changes.
func (p *planner) document(ctx context.Context, b *branch, id store.Value) (*work, error) {
	for _, w := range p.docs {
		if v := store.Lookup(w.now, b.id.path); w.collection == b.Collection && w.now != nil && store.Compare(v, id) == 0 {
			return w, nil
		}
	}
	q := store.Query{Collection: b.Collection, Where: b.id.keyIs(id), Limit: 2}
	if b.id.path != "_id" {
		q.Where = conjunction([]store.Filter{q.Where, b.lift(b.base.upper())})
	}
	for doc, err := range p.Store.Find(ctx, q) {
		if err != nil {
			return nil, commit.Fault("reading "+b.Collection, err)
		}
		own := store.ID(doc)
		name := b.Collection + "/" + string(rune(own.Type)) + string(own.Value)
		if w := p.docs[name]; w != nil {
			return w, nil
		}
		w := &work{collection: b.Collection, id: own, read: doc, now: doc}
		p.docs[name] = w
		return w, nil
	}
	return nil, nil
}

// change plans one change.
func (p *planner) change(ctx context.Context, c fhir.Change) error {
	if c.Finish != nil {
		own, err := p.results()
		if err != nil {
			return err
		}
		if c.Body, err = c.Finish(append(commit.Planned(ctx), own...)); err != nil {
			return err
		}
		if c.Body == nil {
			p.done = append(p.done, outcome{status: fhir.Absent, key: c.Key})
			return nil
		}
	}
	if c.Method == fhir.Create {
		return p.create(ctx, c)
	}
	b, w, err := p.load(ctx, c.Key)
	if err != nil {
		return err
	}
	if b == nil && c.Method == fhir.Put && c.IfNoneExist != nil && c.IfMatch == "" {
		return p.create(ctx, c)
	}
	if b == nil {
		return p.missing(c)
	}
	layer, err := p.layer(ctx, b, c.Key)
	if err != nil {
		return err
	}
	e := p.encoder()
	cur, ok := e.render(b, p.seen(b, w.now, c.Key).doc, layer.overlay)
	if !ok || cur.Key != c.Key {
		return p.missing(c)
	}
	version := cur.Version
	if !sameDoc(w.read, w.now) {
		was, _ := e.render(b, p.seen(b, w.read, c.Key).doc, layer.overlay)
		version = was.Version
	}
	switch {
	case c.IfMatch != "" && c.IfMatch != version:
		return fhir.Errorf(fhir.CodeConflict, "http.If-Match", "%s is not at version %q.", c.Key, c.IfMatch)
	case c.IfNoneMatch:
		return fhir.Errorf(fhir.CodeConflict, "http.If-None-Match", "%s exists already.", c.Key)
	case c.Method == fhir.Delete:
		return p.remove(c, b, w, layer, cur)
	}
	return p.update(c, b, w, layer, cur)
}

func sameDoc(a, b store.Doc) bool { return slices.Equal(a, b) }

// missing is for a resource that is not there.
func (p *planner) missing(c fhir.Change) error {
	switch {
	case c.IfMatch != "":
		return fhir.Errorf(fhir.CodeConflict, "http.If-Match", "There is no %s.", c.Key)
	case c.Method == fhir.Delete:
		p.done = append(p.done, outcome{status: fhir.Absent, key: c.Key})
		return nil
	}
	return fhir.Errorf(fhir.CodeNotSupported, string(c.Key.Type)+".id", "There is no %s, and a client cannot choose the id of a new one in the EHR.", c.Key)
}

// update plans a change of what is there.
func (p *planner) update(c fhir.Change, b *branch, w *work, layer *layer, cur fhir.Resource) error {
	if !b.Allows.Update {
		return fhir.Errorf(fhir.CodeBusinessRule, "", "%s cannot be changed here: it belongs to the EHR alone.", c.Key).Because(ErrReadOnly)
	}
	wanted, err := p.wanted(c.Body)
	if err != nil {
		return err
	}
	now, err := clientPart(cur.Body)
	if err != nil {
		return err
	}
	if same(now, wanted) {
		p.done = append(p.done, outcome{fhir.Unchanged, c.Key, b, w, layer.overlay})
		return nil
	}
	if len(b.labels) > 0 { // the EHR's, whatever is written
		now.takeLabels()
	}
	seen := p.seen(b, w.now, c.Key)
	put := &writer{get: p.opened(b, seen.doc), doc: seen.doc, scope: b.scope, self: w.id, issues: new([]fhir.Issue)}
	doc, added, err := p.write(put, b, seen.doc, wanted, now)
	if err != nil {
		return err
	}
	overlaid := !layer.overlay.same(added)
	after, err := p.readBack(b, doc, added)
	if err != nil {
		return err
	}
	if same(after, now) && !overlaid {
		p.done = append(p.done, outcome{fhir.Unchanged, c.Key, b, w, layer.overlay})
		return nil
	}
	if err := p.pend(c, b, cur, differing(now, after)); err != nil {
		return err
	}
	op := store.Op{Kind: store.Update, Set: put.set, Unset: put.unset, If: conjunction(put.expected())}
	if b.each != nil {
		op = b.each.placed(put, seen)
		w.element = seen.index
	}
	if c.IfMatch == "" {
		p.blind[len(p.ops)] = c.Key
	}
	if err := p.apply(b, w, op); err != nil {
		return err
	}
	if overlaid {
		p.ops = append(p.ops, layer.op(added))
	}
	p.done = append(p.done, outcome{fhir.Updated, c.Key, b, w, added})
	return nil
}

// readBack gives what readers would see, without what the server owns.
func (p *planner) readBack(b *branch, doc store.Doc, added *overlay) (*node, error) {
	made, err := p.made(b, doc)
	if err == nil && added != nil {
		added.merge(made)
	}
	return made, err
}

// opened gives an encoder that stands in a document.
func (p *planner) opened(b *branch, doc store.Doc) *encoder {
	e := p.encoder()
	e.report = nil
	e.open(b, doc)
	return e
}

// apply adds an update or a deletion of a document, on the condition that the document
// is still what was read.
func (p *planner) apply(b *branch, w *work, op store.Op) error {
	op.Collection, op.ID = w.collection, w.id
	if !w.guarded && w.read != nil {
		if op.If == nil {
			op.If = store.All()
		}
		op.If = conjunction([]store.Filter{b.unchanged(w.read), op.If})
		w.guarded = true
	}
	if op.Kind == store.Delete {
		w.now = nil
		p.ops = append(p.ops, op)
		return nil
	}
	op.Set = append(slices.Clone(op.Set), p.raise(b, w)...)
	if len(op.Set)+len(op.Unset) == 0 { // a resource that only its overlay changes, and no version to raise
		name := b.id.path
		if name == "_id" {
			name = b.anyField(w.now)
		}
		if name == "" {
			return nil
		}
		op.Set = []store.Field{{Path: name, Value: store.Lookup(w.now, name)}}
	}
	doc, err := store.Updated(w.now, op.Set, op.Unset)
	if err != nil {
		return fmt.Errorf("chartmap: changing a document of %s: %w", w.collection, err)
	}
	w.now = doc
	p.ops = append(p.ops, op)
	return nil
}

// anyField names a field that the rules read and the document has.
func (m *Mapping) anyField(doc store.Doc) string {
	for _, name := range m.scope.names {
		if name != "_id" && !store.Missing(store.Lookup(doc, name)) {
			return name
		}
	}
	return ""
}

// raise gives a document its next version and the time, as the EHR would: once in a
// commit.
func (p *planner) raise(b *branch, w *work) []store.Field {
	var out []store.Field
	raise := func(path string, next func(store.Value) store.Value) {
		name, now := b.located(w.now, path, w.element)
		if !slices.Contains(w.raised, name) {
			w.raised = append(w.raised, name)
			out = append(out, store.Field{Path: name, Value: next(now)})
		}
	}
	if b.version.path != "" {
		raise(b.version.path, p.next)
	}
	if b.updated != nil {
		raise(b.updated.path, p.after)
	}
	return out
}

// after is now, and later than what stands there.
func (p *planner) after(v store.Value) store.Value {
	if ms, ok := v.DateTimeOK(); ok && !time.UnixMilli(ms).Before(p.now) {
		return store.V(time.UnixMilli(ms + 1))
	}
	return store.V(p.now)
}

// next gives the version behind one: numbers count, dates are now, ObjectIds new. A
// document without one gets its first.
func (p *planner) next(v store.Value) store.Value {
	switch v.Type {
	case bson.TypeInt64:
		n, _ := v.Int64OK()
		return store.Value{Type: bson.TypeInt64, Value: int64Bytes(n + 1)}
	case bson.TypeInt32, bson.TypeDouble, bson.TypeDecimal128:
		if n, ok := whole(v); ok {
			return like(v, store.V(n+1))
		}
	case bson.TypeDateTime:
		return p.after(v)
	case bson.TypeObjectID:
		return store.V(bson.NewObjectID())
	case bson.TypeString:
		if s, _ := v.StringValueOK(); isDecimal([]byte(s)) {
			if n, ok := parseKey(s, "-"); ok {
				i, _ := whole(n)
				return store.String(fmt.Sprint(i + 1))
			}
		}
		return store.String(p.newToken())
	}
	return store.V(int32(1))
}

// unchanged holds where a document is still what was read: by its version, else by all
// that the rules read of it.
func (m *Mapping) unchanged(doc store.Doc) store.Filter {
	if m.version.path != "" && m.Concurrency == "version" {
		if v := store.Lookup(doc, m.version.path); !store.Missing(v) {
			return store.Eq{Path: m.version.path, Value: v}
		}
	}
	names := m.fields
	if m.Concurrency == "document" {
		names = topFields(doc)
	}
	var all []store.Filter
	for _, name := range names {
		switch v := store.Lookup(doc, name); {
		case name == "_id":
		case store.Missing(v):
			all = append(all, store.Exists{Path: name, Want: false})
		default:
			all = append(all, store.Eq{Path: name, Value: v})
		}
	}
	return conjunction(all)
}

func topFields(doc store.Doc) []string {
	elements, err := doc.Elements()
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range elements {
		out = append(out, e.Key())
	}
	return out
}

// results makes the resources as they are when all is done.
func (p *planner) results() ([]fhir.Result, error) {
	var out []fhir.Result
	e := p.encoder()
	for _, d := range p.done {
		res := fhir.Resource{Key: d.key}
		if d.branch != nil {
			var ok bool
			if res, ok = e.render(d.branch, p.seen(d.branch, d.work.now, d.key).doc, d.layer); !ok || res.Key != d.key {
				return nil, fmt.Errorf("chartmap: a written %s does not come back under its id", d.key.Type)
			}
		}
		if d.status == fhir.Deleted {
			res.Deleted, res.Updated = true, p.now
		}
		out = append(out, fhir.Result{Status: d.status, Resource: res})
	}
	return out, nil
}
