package sqlite

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/portico-fhir/portico/store"
)

// catalog is what there is in the file: an immutable picture, replaced as a
// whole by the writer once a change to it is committed.
type catalog struct {
	collections map[string]*collection
}

// collection is one collection and the SQL for its table.
type collection struct {
	cid     int64
	name    string
	indexes []*index
	byKey   *index // the table's own index of _id

	locate, insert, update, remove string
	scan, fetch, last              string
}

// index is one declared index and the SQL for its table.
type index struct {
	iid    int64
	def    store.Index
	keys   []store.Key // def.Keys, then _id unless it is among them
	hidden bool        // _id was added

	// multi has a bit for each key that some document has had several values
	// of. The writer sets it before it commits such a document, so a reader
	// that looks after its snapshot began knows of all it may meet.
	multi *atomic.Uint64

	// Statements. count ends in LIMIT ?+0: for a bare parameter SQLite would plan
	// it anew each time that it is bound.
	insert, remove, walk, walkDown, rids, taken, count, mark string
}

func newCollection(cid int64, name string) *collection {
	t := "d" + strconv.FormatInt(cid, 10)
	walk := "SELECT id, rid, doc FROM " + t + " WHERE id>=? AND id<? ORDER BY id"
	return &collection{
		cid:    cid,
		name:   name,
		locate: "SELECT rid, doc FROM " + t + " WHERE id=?",
		insert: "INSERT OR FAIL INTO " + t + "(id,doc) VALUES(?,?)",
		update: "UPDATE " + t + " SET doc=? WHERE rid=?",
		remove: "DELETE FROM " + t + " WHERE rid=?",
		scan:   "SELECT id, rid, doc FROM " + t,
		fetch:  "SELECT doc FROM " + t + " WHERE rid=?",
		last:   "SELECT max(rid) FROM " + t,
		byKey: &index{
			def:      store.Index{Collection: name, Name: "_id", Keys: []store.Key{{Path: "_id"}}, Unique: true},
			keys:     []store.Key{{Path: "_id"}},
			multi:    new(atomic.Uint64),
			walk:     walk,
			walkDown: walk + " DESC",
			count:    "SELECT count(*) FROM (SELECT 1 FROM " + t + " WHERE id>=? AND id<? LIMIT ?+0)",
		},
	}
}

// create is the SQL that makes the table.
func (c *collection) create() string {
	return fmt.Sprintf("CREATE TABLE d%d(rid INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, doc BLOB NOT NULL)", c.cid)
}

func newIndex(iid int64, coll *collection, def store.Index, multi uint64) *index {
	t, d := "i"+strconv.FormatInt(iid, 10), "d"+strconv.FormatInt(coll.cid, 10)
	walk := "SELECT i.key, i.rid, d.doc FROM " + t + " AS i CROSS JOIN " + d +
		" AS d WHERE i.key>=? AND i.key<? AND d.rid=i.rid ORDER BY i.key"
	ix := &index{
		iid:      iid,
		def:      def,
		keys:     slices.Clone(def.Keys),
		multi:    new(atomic.Uint64),
		insert:   "INSERT OR FAIL INTO " + t + "(key,rid) VALUES(?,?)",
		remove:   "DELETE FROM " + t + " WHERE key=? AND rid=?",
		walk:     walk,
		walkDown: walk + " DESC",
		rids:     "SELECT rid FROM " + t + " WHERE key>=? AND key<?",
		taken:    "SELECT 1 FROM " + t + " WHERE key>=? AND key<? AND rid<>? LIMIT 1",
		count:    "SELECT count(*) FROM (SELECT 1 FROM " + t + " WHERE key>=? AND key<? LIMIT ?+0)",
		mark:     "UPDATE portico_indexes SET multi=? WHERE iid=" + strconv.FormatInt(iid, 10),
	}
	ix.multi.Store(multi)
	if !slices.ContainsFunc(def.Keys, func(k store.Key) bool { return k.Path == "_id" }) {
		ix.hidden = true
		ix.keys = append(ix.keys, store.Key{Path: "_id", Desc: def.Keys[len(def.Keys)-1].Desc})
	}
	return ix
}

// create is the SQL that makes the table.
func (ix *index) create() string {
	return fmt.Sprintf("CREATE TABLE i%d(key BLOB NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY(key, rid)) WITHOUT ROWID", ix.iid)
}

// definition is how an index is kept in portico_indexes.
type definition struct {
	Keys        []store.Key   `json:"keys"`
	Unique      bool          `json:"unique,omitempty"`
	Sparse      bool          `json:"sparse,omitempty"`
	ExpireAfter time.Duration `json:"expireAfter,omitempty"`
}

// encodeDefinition gives the same text for the same definition.
func encodeDefinition(def store.Index) (string, error) {
	b, err := json.Marshal(definition{def.Keys, def.Unique, def.Sparse, def.ExpireAfter})
	return string(b), err
}

// loadCatalog reads the catalog from the file.
func loadCatalog(c *conn) (*catalog, error) {
	cat := &catalog{collections: make(map[string]*collection)}
	byID := make(map[int64]*collection)
	err := c.each("SELECT cid, name FROM portico_collections", func(s *stmt) error {
		coll := newCollection(s.int(0), s.text(1))
		cat.collections[coll.name] = coll
		byID[coll.cid] = coll
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = c.each("SELECT iid, cid, name, definition, multi FROM portico_indexes ORDER BY iid", func(s *stmt) error {
		coll := byID[s.int(1)]
		var d definition
		if err := json.Unmarshal([]byte(s.text(3)), &d); err != nil || coll == nil {
			return fmt.Errorf("sqlite: %s: index %d is not readable: %w", c.path, s.int(0), store.ErrCorrupt)
		}
		def := store.Index{
			Collection: coll.name, Name: s.text(2), Keys: d.Keys,
			Unique: d.Unique, Sparse: d.Sparse, ExpireAfter: d.ExpireAfter,
		}
		coll.indexes = append(coll.indexes, newIndex(s.int(0), coll, def, uint64(s.int(4))))
		return nil
	})
	return cat, err
}

// with gives a copy of the catalog that has coll.
func (cat *catalog) with(coll *collection) *catalog {
	next := &catalog{collections: make(map[string]*collection, len(cat.collections)+1)}
	for name, c := range cat.collections {
		next.collections[name] = c
	}
	next.collections[coll.name] = coll
	return next
}

// withIndex gives a copy of the collection that has ix.
func (c *collection) withIndex(ix *index) *collection {
	next := *c
	next.indexes = append(slices.Clone(c.indexes), ix)
	return &next
}

// unique reports whether an index of c is unique.
func (c *collection) unique() bool {
	return slices.ContainsFunc(c.indexes, func(ix *index) bool { return ix.def.Unique })
}

func (c *collection) index(name string) *index {
	for _, ix := range c.indexes {
		if ix.def.Name == name {
			return ix
		}
	}
	return nil
}
