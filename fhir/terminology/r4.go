package terminology

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

//go:embed r4.txt
var table string

// definition is one of R4's own definitions, decoded once it is asked for. One of the
// two is nil.
type definition struct {
	valueSet func() (*valueSet, error)
	system   func() (*system, error)
}

// ownDefinitions gives R4's own definitions by URL.
var ownDefinitions = sync.OnceValue(func() map[string]definition {
	all := make(map[string]definition)
	for line := range strings.Lines(table) {
		url, text, _ := strings.Cut(line, "\t")
		var d definition
		if strings.Contains(text, `"content":`) {
			d.system = sync.OnceValues(func() (*system, error) {
				c := codeSystem{URL: url}
				if err := json.Unmarshal([]byte(text), &c); err != nil {
					return nil, fmt.Errorf("terminology: r4.txt: %w", err)
				}
				return newSystem(&c), nil
			})
		} else {
			d.valueSet = sync.OnceValues(func() (*valueSet, error) {
				v := &valueSet{URL: url}
				if err := json.Unmarshal([]byte(text), v); err != nil {
					return nil, fmt.Errorf("terminology: r4.txt: %w", err)
				}
				return v, nil
			})
		}
		all[url] = d
	}
	return all
})
