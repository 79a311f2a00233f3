package chartmap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/store"
)

// Overflow is the collection, in Portico's own database, of what resources have
// beyond the EHR:
//
//	{ _id: "<Type>/<id>", v: <number>, o: <overlay as JSON> }
const Overflow = "portico_overflow"

// layer is what is stored of one resource's overlay.
type layer struct {
	id      string
	version int64 // 0: there is none
	overlay *overlay
}

// keepsUnmapped reports whether resources of a map may have an overlay.
func (m *Mapping) keepsUnmapped() bool { return m.Unmapped == "overflow" && m.Writable }

// layer reads the overlay of a resource.
func (r *Repository) layer(ctx context.Context, b *branch, key fhir.Key) (*layer, error) {
	l := &layer{id: key.String()}
	if !b.keepsUnmapped() {
		return l, nil
	}
	q := store.Query{Collection: Overflow, Where: store.Eq{Path: "_id", Value: store.String(l.id)}, Limit: 1}
	for doc, err := range r.Store.Find(ctx, q) {
		if err != nil {
			return nil, commit.Fault("reading what the EHR has no place for", err)
		}
		return l, l.read(doc)
	}
	return l, nil
}

func (l *layer) read(doc store.Doc) error {
	l.version, _ = doc.Lookup("v").Int64OK()
	text, _ := doc.Lookup("o").StringValueOK()
	l.overlay = &overlay{}
	if err := json.Unmarshal([]byte(text), l.overlay); err != nil {
		return fmt.Errorf("chartmap: %s of %s is damaged: %w", l.id, Overflow, err)
	}
	return nil
}

// op stores another overlay.
func (l *layer) op(o *overlay) store.Op {
	id := store.String(l.id)
	unchanged := store.Eq{Path: "v", Value: store.V(l.version)}
	if o == nil {
		return store.Op{Kind: store.Delete, Collection: Overflow, ID: id, If: unchanged}
	}
	fields := []store.Field{{Path: "v", Value: store.V(l.version + 1)}, {Path: "o", Value: store.String(string(o.json()))}}
	if l.version > 0 {
		return store.Op{Kind: store.Update, Collection: Overflow, ID: id, Set: fields, If: unchanged}
	}
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "v", Value: fields[0].Value}, {Key: "o", Value: fields[1].Value}})
	if err != nil {
		doc = nil // is refused as malformed
	}
	return store.Op{Kind: store.Insert, Collection: Overflow, Doc: doc}
}

func (o *overlay) json() []byte {
	if o == nil {
		return nil
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil
	}
	return text
}

func (o *overlay) same(other *overlay) bool { return bytes.Equal(o.json(), other.json()) }

// render writes the resource that a branch makes of a document, with its overlay.
func (e *encoder) render(b *branch, doc store.Doc, o *overlay) (fhir.Resource, bool) {
	if o == nil || doc == nil {
		if doc == nil {
			return fhir.Resource{}, false
		}
		return e.encode(b, doc)
	}
	var m marks
	e.marks = &m
	res, ok := e.encode(b, doc)
	e.marks = nil
	if !ok {
		return res, false
	}
	n, err := parseNode(res.Body, &m)
	if err != nil {
		return res, false
	}
	meta := n.member("meta")
	o.merge(n)
	if b.versionOf(&e.frame) == "" {
		meta.set("versionId", nil)
		sum := sha256.Sum256(n.append(nil))
		res.Version = hex.EncodeToString(sum[:16])
		meta.set("versionId", &node{kind: nodeText, text: res.Version})
	}
	res.Body = n.append(nil)
	return res, true
}

// clientPart reads a resource without what the server owns.
func clientPart(body []byte) (*node, error) {
	n, err := parseNode(body, nil)
	if err != nil {
		return nil, err
	}
	n.strip()
	return n, nil
}

// strip takes id, version and time off a resource.
func (n *node) strip() {
	n.set("id", nil)
	meta := n.member("meta")
	if meta == nil {
		return
	}
	for _, name := range []string{"versionId", "lastUpdated", "_versionId", "_lastUpdated"} {
		meta.set(name, nil)
	}
	if len(meta.members) == 0 {
		n.set("meta", nil)
	}
}

// layers reads the overlays of some resources.
func (r *Repository) layers(ctx context.Context, keys []fhir.Key) (map[fhir.Key]*overlay, error) {
	const most = 500
	out := map[fhir.Key]*overlay{}
	byID := make(map[string]fhir.Key, len(keys))
	for _, k := range keys {
		byID[k.String()] = k
	}
	for len(keys) > 0 {
		n := min(len(keys), most)
		ids := make([]store.Value, n)
		for i, k := range keys[:n] {
			ids[i] = store.String(k.String())
		}
		keys = keys[n:]
		for doc, err := range r.Store.Find(ctx, store.Query{Collection: Overflow, Where: store.In{Path: "_id", Values: ids}}) {
			if err != nil {
				return nil, commit.Fault("reading what the EHR has no place for", err)
			}
			id, _ := store.ID(doc).StringValueOK()
			l := &layer{id: id}
			if err := l.read(doc); err != nil {
				return nil, err
			}
			out[byID[id]] = l.overlay
		}
	}
	return out, nil
}
