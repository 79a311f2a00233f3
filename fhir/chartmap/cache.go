package chartmap

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// cache keeps resources beside the documents that they were made of. It never stands for a
// document: each read asks the store, and what is kept counts when the document is, byte for byte, the
// one that it was made of. What the rules make of a document is then the same; so is the
// overlay beside it, for every write that changes an overlay gives its document, in the same Apply, a new
// version and time. So nodes need not tell each other anything. Where a document has not both of these, or
// the map has no field for them, what may have an overlay is not kept.
//
// That holds as long as a document does not become what it was before. An EHR that puts back an
// old document, time and version included, shows for keepFor at most what it was with.
type cache struct {
	mu         sync.Mutex
	young, old map[fhir.Key]*kept
	size       int // bytes in young
}

const (
	// maxCache bounds what is kept, in bytes; half of it may be of resources that nobody
	// reads any more.
	maxCache = 16 << 20
	maxKept  = 1 << 20 // of one resource and its document
	keepFor  = time.Minute
)

// kept is a resource that was made.
type kept struct {
	branch *branch
	doc    store.Doc
	res    fhir.Resource
	faults []Fault
	until  time.Time
}

// find gives the resource of a key that was made by a branch of this very document; nil when it is not kept.
func (c *cache) find(key fhir.Key, b *branch, doc store.Doc) *kept {
	c.mu.Lock()
	k, isYoung := c.young[key]
	if k == nil {
		k = c.old[key]
	}
	if k == nil || k.branch != b || !bytes.Equal(k.doc, doc) || time.Now().After(k.until) {
		c.mu.Unlock()
		return nil
	}
	if !isYoung {
		c.add(key, k)
	}
	c.mu.Unlock()
	return k
}

// keep notes what was made of a document, with the overlay that was beside it when it had been read.
func (c *cache) keep(b *branch, doc store.Doc, res fhir.Resource, faults []Fault) {
	if b.keepsUnmapped() && (b.version.path == "" || b.updated == nil || res.Updated.IsZero() || store.Missing(store.Lookup(doc, b.version.path))) || len(doc)+len(res.Body) > maxKept {
		return
	}
	k := &kept{branch: b, doc: bytes.Clone(doc), res: res, faults: slices.Clone(faults), until: time.Now().Add(keepFor)}
	c.mu.Lock()
	c.add(res.Key, k)
	c.mu.Unlock()
}

// add makes an entry one of the young. When these are many, they become the old ones.
func (c *cache) add(key fhir.Key, k *kept) {
	const overhead = 512
	if c.young == nil || c.size > maxCache/2 {
		c.old, c.young, c.size = c.young, make(map[fhir.Key]*kept), 0
	}
	c.young[key] = k
	c.size += len(k.doc) + len(k.res.Body) + overhead
}

// recall gives a resource that is kept, and reports again what could not be read of its
// document.
func (r *Repository) recall(key fhir.Key, b *branch, doc store.Doc) (fhir.Resource, bool) {
	k := r.cache.find(key, b, doc)
	if k == nil {
		return fhir.Resource{}, false
	}
	if r.Report != nil {
		for _, f := range k.faults {
			r.Report(f)
		}
	}
	return k.res, true
}

// recallItem is recall for a document that a search found.
func (r *Repository) recallItem(e *encoder, b *branch, item unwound) (fhir.Resource, bool) {
	var room [maxID]byte
	id, ok := e.types[b.Resource].ids.appendIdent(room[:0], ident{store.Lookup(item.doc, b.id.path), b.spreads(), item.at, b.suffix})
	if !ok {
		return fhir.Resource{}, false
	}
	return r.recall(fhir.Key{Type: b.Resource, ID: string(id)}, b, item.doc)
}
