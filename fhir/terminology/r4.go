package terminology

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed r4.txt
var table string

// ownDefinitions gives what r4.txt has of R4's own definitions, by URL.
var ownDefinitions = sync.OnceValue(func() map[string]string {
	all := make(map[string]string)
	for line := range strings.Lines(table) {
		url, definition, _ := strings.Cut(line, "\t")
		all[url] = definition
	}
	return all
})
