package record

import (
	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// indexes are those of one type. The rank stands behind the entry, so that what
// has an entry is found from the newest to the oldest.
func indexes(t fhir.Type) []store.Index {
	collection := collection(t)
	return []store.Index{
		{Collection: historyCollection(t), Name: "lastUpdated", Keys: []store.Key{{Path: fieldUpdated}, {Path: fieldOwner}, {Path: fieldID}}},
		{Collection: collection, Name: "lastUpdated", Keys: []store.Key{{Path: fieldUpdated}, {Path: fieldID}}},
		{Collection: collection, Name: "deleted", Keys: []store.Key{{Path: fieldDeleted}}, Sparse: true},
		{Collection: collection, Name: "rank", Keys: byDate(true), Loose: true, Replaces: []string{"date"}},
		{Collection: collection, Name: "keys", Keys: append([]store.Key{{Path: fieldKeys}}, byDate(true)...), Loose: true, Replaces: []string{"entries"}},
	}
}
