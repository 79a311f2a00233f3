package chartmap

import (
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Keys names the resources that a document of a collection is or was, whether or not it
// is served now: one for each map of the collection, each suffix of its fan-out, and each element
// that its array (each) has now: those that it had before cannot be told. With groupBy it is the group
// that the document is in now. The document needs nothing but the fields of the maps' ids and arrays.
func (m *Map) Keys(collection string, doc store.Doc) []fhir.Key {
	var keys []fhir.Key
	for _, mp := range m.Maps {
		if mp.Collection != collection {
			continue
		}
		ids := m.types[mp.Resource].ids
		for _, item := range mp.items(doc, ids, func() {}) {
			for _, b := range mp.branches {
				var room [maxID]byte
				id, ok := ids.appendIdent(room[:0], ident{store.Lookup(doc, mp.id.path), mp.spreads(), item.at, b.suffix})
				key := fhir.Key{Type: mp.Resource, ID: string(id)}
				if ok && !slices.Contains(keys, key) {
					keys = append(keys, key)
				}
			}
		}
	}
	return keys
}

// Beside gives the resource that a document of Overflow belongs to; not ok where that is
// none of the maps'.
func (m *Map) Beside(id store.Value) (fhir.Key, bool) {
	text, _ := id.StringValueOK()
	typ, name, _ := strings.Cut(text, "/")
	key := fhir.Key{Type: fhir.Type(typ), ID: name}
	return key, m.types[key.Type] != nil && fhir.ValidID(name)
}
