package terminology

import (
	"maps"
	"slices"
)

// OwnValueSets are the URLs of R4's own value sets.
func OwnValueSets() []string {
	urls := slices.Sorted(maps.Keys(ownDefinitions()))
	return slices.DeleteFunc(urls, func(url string) bool { return ownDefinitions()[url].valueSet == nil })
}
