package chartmap

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// Repository serves the documents of an EHR as resources, through a chart map.
// Documents that break the rules are served without what cannot be read; what
// cannot be served at all (no id, or no reference that R4 requires of the
// resource) is found by nothing. It keeps no old versions: a history has those that
// the EHR keeps.
type Repository struct {
	Store store.Store
	Map   *Map
	// Base is the server's FHIR base URL without a trailing slash: URLs of
	// Binary resources begin with it. Empty leaves them relative.
	Base string
	// Now is the present, for the search prefix ap; nil means time.Now.
	Now func() time.Time
	// Report is told about every value that a rule could not read, each time
	// that it is met. It must be safe for concurrent use; nil discards.
	Report func(Fault)

	// Others gives search parameters of a type besides R4's own, and the names of those
	// that are not ready yet; nil: there are none. They are searched by as far as rules
	// lead to what they ask for.
	Others func(fhir.Type) (ready []*fhir.SearchParam, pending []string)

	offers       sync.Map // fhir.Type: *offer, once there are others
	reservations commit.Reservations
	cache        cache
	encoders     sync.Pool // of *encoder
}

var (
	_ fhir.Repository = (*Repository)(nil)
	_ commit.Planner  = (*Repository)(nil)
)

// Fault is a value of a document that does not fit its rule. It names the
// place and never the value.
type Fault struct {
	Map  string   // name of the map
	Line int      // of the rule in the chart map
	Path string   // element that was left out
	Key  fhir.Key // resource
}

// Describe implements fhir.Repository.
func (r *Repository) Describe(t fhir.Type) fhir.Capability {
	s := r.served(t)
	if s == nil {
		return fhir.Capability{}
	}
	may := s.allows()
	c := fhir.Capability{
		Read: true, VRead: true, HistoryInstance: true, HistoryType: s.chronicled(), Search: true, Versioning: "versioned",
		Create: may.Create, Update: may.Update, Delete: may.Delete, NewID: s.newID(),
		Params: s.params, Sortable: s.sortable,
		Source: fmt.Sprintf("The EHR's own documents in %s, through the chart map. %s", s.collections(), s.past()),
	}
	if r.Others != nil {
		var others []*fhir.SearchParam
		others, c.Pending = r.Others(t)
		for _, p := range others {
			if !slices.Contains(s.params, p) {
				c.Unanswered = append(c.Unanswered, p.Name)
			}
		}
	}
	return c
}

// offer is a type with parameters that are not R4's own.
type offer struct {
	others []*fhir.SearchParam
	*served
}

// served gives everything about a type; nil where the map has nothing of it.
func (r *Repository) served(t fhir.Type) *served {
	s := r.Map.types[t]
	if s == nil || r.Others == nil {
		return s
	}
	others, _ := r.Others(t)
	if len(others) == 0 {
		return s
	}
	if have, ok := r.offers.Load(t); ok && slices.Equal(have.(*offer).others, others) {
		return have.(*offer).served
	}
	more := &offer{others, s.with(others, r.Map.Location)}
	r.offers.Store(t, more)
	return more.served
}

// allows says what some map of the type takes.
func (s *served) allows() Allows {
	var out Allows
	for _, m := range s.maps {
		out.Create = out.Create || m.Allows.Create
		out.Update = out.Update || m.Allows.Update
		out.Delete = out.Delete || m.Allows.Delete
	}
	return out
}

// newID gives what makes ids for new resources of the type; nil where none can be created, or only those
// whose ids the EHR counts.
func (s *served) newID() func([]byte) string {
	if !slices.ContainsFunc(s.maps, func(m *Mapping) bool { return m.Allows.Create && m.counted == nil }) {
		return nil
	}
	return func(body []byte) string {
		wanted, err := parseNode(body, nil)
		if err != nil {
			return ""
		}
		for _, b := range s.branches {
			if b.Allows.Create && b.against(wanted) == "" && b.counted == nil {
				id, _ := s.ids.append(nil, freshKey(b.NewID), b.suffix)
				return string(id)
			}
		}
		return ""
	}
}

// past says which versions can be read.
func (s *served) past() string {
	for _, m := range s.maps {
		if m.Archive != "" {
			return "Old versions are those that the EHR keeps; deletions are not among them."
		}
	}
	return "Only the current version is kept."
}

func (s *served) collections() string {
	out := ""
	for i, b := range s.branches {
		if i > 0 && s.branches[i-1].Collection == b.Collection {
			continue
		}
		if out != "" {
			out += ", "
		}
		out += b.Collection
	}
	return out
}

// Read implements fhir.Repository. What was deleted in the EHR is not found.
func (r *Repository) Read(ctx context.Context, key fhir.Key) (fhir.Resource, error) {
	s := r.Map.types[key.Type]
	if s == nil {
		return fhir.Resource{}, absentee(key.Type)
	}
	what, ok := s.ids.parseIdent(key.ID)
	if !ok {
		return fhir.Resource{}, absentee(key.Type)
	}
	e := r.borrow()
	defer r.encoders.Put(e)
	for _, b := range s.branches {
		if b.suffix != what.suffix || b.spreads() != what.array {
			continue
		}
		docs, err := r.sources(ctx, e, b, what)
		if err != nil {
			return fhir.Resource{}, err
		}
		for _, doc := range docs {
			if !b.base.match(doc) {
				r.withheld(b, key, doc)
				continue
			}
			if lay(ctx) && !b.released(doc) {
				continue
			}
			if res, ok := r.recall(key, b, doc); ok {
				return res, nil
			}
			layer, err := r.layer(ctx, b, key)
			if err != nil {
				return fhir.Resource{}, err
			}
			res, ok := e.render(b, doc, layer.overlay)
			if ok && res.ID == key.ID {
				r.cache.keep(b, doc, res, e.faults)
				return res, nil
			}
		}
	}
	return fhir.Resource{}, absentee(key.Type)
}

// withheld reports a document that would be a resource, had it the reference without which that is not served.
func (r *Repository) withheld(b *branch, key fhir.Key, doc store.Doc) {
	if r.Report == nil || !b.where().match(doc) {
		return
	}
	for i := range b.body.members {
		m := &b.body.members[i]
		if !m.elem.Required || m.elem.Type != "Reference" || m.elem.Choice || m.rule == nil {
			continue
		}
		if present, _ := m.lens.has(); !present.match(doc) {
			r.Report(Fault{Map: b.Name, Line: m.rule.Line, Path: m.rule.Path, Key: key})
		}
	}
}

func absentee(t fhir.Type) error {
	return fhir.Errorf(fhir.CodeNotFound, "", "There is no %s with this id.", t)
}

// sources gives what the rules of a branch read for an id: nothing, or one document, or two
// where the EHR has the same key twice.
func (r *Repository) sources(ctx context.Context, e *encoder, b *branch, what ident) ([]store.Doc, error) {
	if b.group != nil {
		return r.groups(ctx, e, b.Mapping, []store.Value{what.key})
	}
	q := store.Query{Collection: b.Collection, Fields: b.fields, Limit: 2, Where: b.id.keyIs(what.key)}
	if b.id.path != "_id" { // is not unique
		q.Where = conjunction([]store.Filter{q.Where, b.lift(b.base.upper())})
	}
	docs := make([]store.Doc, 0, 2)
	for doc, err := range r.Store.Find(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", b.Collection, err)
		}
		if b.each == nil {
			docs = append(docs, doc)
			continue
		}
		for _, item := range e.items(b.Mapping, doc) {
			if store.Compare(item.at, what.elem) == 0 {
				docs = append(docs, item.doc)
			}
		}
	}
	return docs, nil
}

// keyIs holds where the key of a document is v.
func (r ref) keyIs(v store.Value) store.Filter {
	if r.path == "_id" { // is never an array
		return store.Eq{Path: r.path, Value: v}
	}
	return r.eq(v)
}

// borrow gives an encoder whose memory was used before; it is put back into encoders.
func (r *Repository) borrow() *encoder {
	e, ok := r.encoders.Get().(*encoder)
	if !ok {
		return r.encoder()
	}
	e.doc, e.mapping, e.report, e.marks = nil, nil, r.Report, nil
	return e
}

// encoder gives an encoder for resources of the repository.
func (r *Repository) encoder() *encoder {
	return &encoder{buf: make([]byte, 0, 2<<10), base: r.Base, types: r.Map.types, report: r.Report}
}
