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
	list, setList, removeList      string // of the lists that documents lack
}

// index is one declared index and the SQL for its table.
type index struct {
	iid    int64
	def    store.Index
	keys   []store.Key // def.Keys, then _id unless it is among them; those of a loose index lack it
	hidden bool        // _id was added

	// multi has a bit for each key that some document has had several values
	// of. The writer sets it before it commits such a document, so a reader
	// that looks after its snapshot began knows of all it may meet.
	multi *atomic.Uint64

	// Statements. Those of byKey read documents, the others runs.
	walk, walkDown         string
	count                  string // of byKey; ends in LIMIT ?+0: for a bare parameter SQLite would plan it anew each time that it is bound
	find                   string // a run by one of its entries, and the runs before it
	insert, update, remove string
	mark                   string
}

func newCollection(cid int64, name string) *collection {
	t, l := "d"+strconv.FormatInt(cid, 10), "l"+strconv.FormatInt(cid, 10)
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

		list:       "SELECT list FROM " + l + " WHERE rid=?",
		setList:    "INSERT OR REPLACE INTO " + l + "(rid,list) VALUES(?,?)",
		removeList: "DELETE FROM " + l + " WHERE rid=?",
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

// create is the SQL that makes the tables.
func (c *collection) create() string {
	return fmt.Sprintf("CREATE TABLE d%d(rid INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, doc BLOB NOT NULL);", c.cid) + c.createLists()
}

// createLists is the SQL that makes the table of lists.
func (c *collection) createLists() string {
	return fmt.Sprintf("CREATE TABLE l%d(rid INTEGER PRIMARY KEY, list BLOB NOT NULL)", c.cid)
}

func newIndex(iid int64, coll *collection, def store.Index, multi uint64) *index {
	t := "i" + strconv.FormatInt(iid, 10)
	// The run in which the span begins is the last one whose fence is not above.
	walk := "SELECT key, run FROM " + t + " WHERE key>=coalesce((SELECT max(key) FROM " + t + " WHERE key<=?),x'') AND key<? ORDER BY key"
	ix := &index{
		iid:      iid,
		def:      def,
		keys:     slices.Clone(def.Keys),
		multi:    new(atomic.Uint64),
		walk:     walk,
		walkDown: walk + " DESC",
		find:     "SELECT key, run FROM " + t + " WHERE key<=? ORDER BY key DESC",
		insert:   "INSERT INTO " + t + "(run,key) VALUES(?,?)",
		update:   "UPDATE " + t + " SET run=? WHERE key=?",
		remove:   "DELETE FROM " + t + " WHERE key=?",
		mark:     "UPDATE portico_indexes SET multi=? WHERE iid=" + strconv.FormatInt(iid, 10),
	}
	ix.multi.Store(multi)
	if def.Loose {
		ix.keys = ix.keys[:len(ix.keys)-1]
	} else if !slices.ContainsFunc(def.Keys, func(k store.Key) bool { return k.Path == "_id" }) {
		ix.hidden = true
		ix.keys = append(ix.keys, store.Key{Path: "_id", Desc: def.Keys[len(def.Keys)-1].Desc})
	}
	return ix
}

// stored is the index whose entries are stored: without the _id where that is
// left out or added.
func (ix *index) stored() store.Index {
	def := ix.def
	if def.Loose {
		def.Keys = ix.keys
	}
	return def
}

// create is the SQL that makes the table.
func (ix *index) create() string {
	return fmt.Sprintf("CREATE TABLE i%d(key BLOB PRIMARY KEY NOT NULL, run BLOB NOT NULL) WITHOUT ROWID", ix.iid)
}

// dropped is the SQL that removes the table.
func (ix *index) dropped() string { return fmt.Sprintf("DROP TABLE i%d", ix.iid) }

// definition is how an index is kept in portico_indexes.
type definition struct {
	Keys        []store.Key   `json:"keys"`
	Unique      bool          `json:"unique,omitempty"`
	Sparse      bool          `json:"sparse,omitempty"`
	ExpireAfter time.Duration `json:"expireAfter,omitempty"`
	Loose       bool          `json:"loose,omitempty"`
}

// encodeDefinition gives the same text for the same definition.
func encodeDefinition(def store.Index) (string, error) {
	b, err := json.Marshal(definition{def.Keys, def.Unique, def.Sparse, def.ExpireAfter, def.Loose})
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
			Unique: d.Unique, Sparse: d.Sparse, ExpireAfter: d.ExpireAfter, Loose: d.Loose,
		}
		coll.indexes = append(coll.indexes, newIndex(s.int(0), coll, def, uint64(s.int(4))))
		return nil
	})
	return cat, err
}

// byID gives the index with that iid, or nil.
func (cat *catalog) byID(iid int64) *index {
	for _, c := range cat.collections {
		for _, ix := range c.indexes {
			if ix.iid == iid {
				return ix
			}
		}
	}
	return nil
}

// without gives a copy of the collection that lacks the index of that name.
func (c *collection) without(name string) *collection {
	next := *c
	next.indexes = slices.DeleteFunc(slices.Clone(c.indexes), func(ix *index) bool { return ix.def.Name == name })
	return &next
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
