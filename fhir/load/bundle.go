package load

import (
	"github.com/portico-fhir/portico/fhir/bundle"
)

// entry is an entry of a Bundle; request is empty where it has none.
type entry struct {
	bundle.Entry
	request bundle.Request
}

func entriesOf(b *bundle.Bundle) []entry {
	list := make([]entry, len(b.Entries))
	for i, e := range b.Entries {
		list[i].Entry = e
		if e.Request != nil {
			list[i].request = *e.Request
		}
	}
	return list
}

// unpacked reports whether the entries of a Bundle of this type are loaded, and not
// the Bundle itself.
func unpacked(kind string) bool {
	switch kind {
	case "transaction", "batch", "collection", "searchset":
		return true
	}
	return false
}
