package chartmap

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Repository serves the documents of an EHR as resources, through a chart map.
// Documents that break the rules are served without what cannot be read; what
// cannot be served at all (no id, or no reference that R4 requires of the
// resource) is found by nothing. It keeps no old versions: the current one is
// its own history.
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
}

var _ fhir.Repository = (*Repository)(nil)

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
	s := r.Map.types[t]
	if s == nil {
		return fhir.Capability{}
	}
	return fhir.Capability{
		Read: true, VRead: true, HistoryInstance: true, Search: true, Versioning: "versioned",
		Params: s.params, Sortable: s.sortable,
		Source: fmt.Sprintf("The EHR's own documents in %s, through the chart map. Only the current version is kept.", s.collections()),
	}
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
	gone := fhir.Errorf(fhir.CodeNotFound, "", "There is no %s with this id.", key.Type)
	s := r.Map.types[key.Type]
	if s == nil {
		return fhir.Resource{}, gone
	}
	id, suffix, ok := s.ids.parse(key.ID)
	if !ok {
		return fhir.Resource{}, gone
	}
	for _, b := range s.branches {
		if b.suffix != suffix {
			continue
		}
		q := store.Query{Collection: b.Collection, Fields: b.fields, Limit: 2, Where: b.id.keyIs(id)}
		if b.id.path != "_id" { // is not unique
			q.Where = conjunction([]store.Filter{q.Where, b.base.upper()})
		}
		for doc, err := range r.Store.Find(ctx, q) {
			if err != nil {
				return fhir.Resource{}, fmt.Errorf("reading %s: %w", b.Collection, err)
			}
			if !b.base.match(doc) {
				continue
			}
			res, ok := r.encode(b, doc)
			if ok && res.ID == key.ID {
				return res, nil
			}
		}
	}
	return fhir.Resource{}, gone
}

// keyIs holds where the key of a document is v.
func (r ref) keyIs(v store.Value) store.Filter {
	if r.path == "_id" { // is never an array
		return store.Eq{Path: r.path, Value: v}
	}
	return r.eq(v)
}

// Version implements fhir.Repository: the EHR keeps the current version only.
func (r *Repository) Version(ctx context.Context, key fhir.Key, version string) (fhir.Resource, error) {
	res, err := r.Read(ctx, key)
	if err != nil {
		return fhir.Resource{}, err
	}
	if res.Version != version {
		return fhir.Resource{}, fhir.Errorf(fhir.CodeNotFound, "", "Only the current version of a %s is kept; this is not it.", key.Type)
	}
	return res, nil
}

// History implements fhir.Repository: it is the current version.
func (r *Repository) History(ctx context.Context, q fhir.HistoryQuery) (fhir.Page, error) {
	if q.Cursor != "" {
		return fhir.Page{}, badCursor()
	}
	res, err := r.Read(ctx, q.Key)
	if err != nil {
		return fhir.Page{}, err
	}
	page := fhir.Page{Resources: []fhir.Resource{res}, Total: ptr(int64(1))}
	if !q.Since.IsZero() && res.Updated.Before(q.Since) {
		page = fhir.Page{Total: ptr(int64(0))}
	}
	return page, nil
}

// Commit implements fhir.Repository: nothing is writable through a chart map yet.
func (r *Repository) Commit(_ context.Context, changes []fhir.Change) ([]fhir.Result, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	return nil, fhir.Errorf(fhir.CodeNotSupported, "", "%s resources come from the EHR and cannot be written here.", changes[0].Key.Type)
}

// encode writes the resource that a branch makes of a document. It is not ok
// where the document's key cannot be an id.
func (r *Repository) encode(b *branch, doc store.Doc) (fhir.Resource, bool) {
	e := encoder{base: r.Base, frames: make([]bson.RawValue, 0, len(b.scope.names)+16)}
	f := frame{values: e.push(len(b.scope.names))}
	b.scope.fill(doc, f.values)
	e.id = f.value(b.id)
	ids := r.Map.types[b.Resource].ids
	var room [maxID]byte
	id, ok := ids.append(room[:0], e.id, b.suffix)
	res := fhir.Resource{Key: fhir.Key{Type: b.Resource, ID: string(id)}}
	if r.Report != nil {
		e.fault = func(o *origin) { r.Report(Fault{Map: b.Name, Line: o.line, Path: o.path, Key: res.Key}) }
	}
	if !ok {
		e.malformed(&origin{b.Line, string(b.Resource) + ".id"})
		return res, false
	}
	res.Version = b.versionOf(&f)
	e.buf = make([]byte, 0, max(b.size.Load()+64, 512))
	e.buf = append(append(e.buf, `{"resourceType":"`...), b.Resource...)
	e.buf = append(append(e.buf, `","id":"`...), res.ID...)
	e.buf = append(append(e.buf, `","meta":{"versionId":"`...), res.Version...)
	e.buf = append(e.buf, '"')
	if b.updated != nil {
		if t, ok := b.updated.time(f.value(b.updated.ref)); ok {
			res.Updated = t.UTC()
			e.buf = append(e.buf, `,"lastUpdated":`...)
			e.buf, _ = b.updated.append(e.buf, f.value(b.updated.ref))
		}
	}
	e.buf = append(e.buf, '}')
	b.body.getMembers(&e, &f)
	e.buf = append(e.buf, '}')
	b.size.saw(len(e.buf))
	res.Body = e.buf
	return res, true
}

// versionOf gives the version that the EHR counts, else a hash of what the
// rules read.
func (m *Mapping) versionOf(f *frame) string {
	if m.version.path != "" {
		var room [maxID]byte
		if v, ok := (ids{}).append(room[:0], f.value(m.version), ""); ok {
			return string(v)
		}
	}
	h := sha256.New()
	var head [9]byte
	for i, v := range f.values[:len(m.scope.names)] {
		binary.BigEndian.PutUint32(head[:4], uint32(i))
		head[4] = byte(v.Type)
		binary.BigEndian.PutUint32(head[5:], uint32(len(v.Value)))
		h.Write(head[:])
		h.Write(v.Value)
	}
	var sum [sha256.Size]byte
	return hex.EncodeToString(h.Sum(sum[:0])[:16])
}
