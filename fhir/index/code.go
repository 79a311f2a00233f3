package index

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// codesText lists R4's parameters, a line for each type and one, *, for those
// of every type. A parameter's place in its line is its code in the entries that
// are stored, so the table never changes.
//
//go:embed codes.txt
var codesText string

// Codes of R4's parameters are one byte, those of others customCode and a hash.
const (
	commonCode = '!' // the first of every type's
	ownCode    = '0' // the first of a type's own
	lastCode   = '|'
	customCode = "~"
)

// customHash is the length of the hash of a parameter's URL, 48 bits: that two of
// a thousand parameters have the same is as good as impossible.
const customHash = 8

// codes gives the code of each of R4's parameters, by type ("*" for every type)
// and name.
var codes = sync.OnceValue(func() map[fhir.Type]map[string]string {
	all := make(map[fhir.Type]map[string]string)
	for line := range strings.Lines(codesText) {
		typ, names, _ := strings.Cut(strings.TrimSpace(line), ": ")
		first, last := ownCode, lastCode
		if typ == "*" {
			first, last = commonCode, ownCode-1
		}
		own := make(map[string]string)
		for i, name := range strings.Fields(names) {
			if first+rune(i) > last {
				panic(fmt.Sprintf("index: %s has more parameters than codes", typ))
			}
			own[name] = string(first + rune(i))
		}
		all[fhir.Type(typ)] = own
	}
	return all
})

// codeOf gives what the entries of a parameter of t start with: the same for
// good, whatever other parameters there are, and never the beginning of
// another's. R4's own have theirs from the table, all others by their canonical.
func codeOf(t fhir.Type, p *fhir.SearchParam) string {
	if own, ok := search.Lookup(t, p.Name); ok && own.URL == p.URL {
		if code := codes()[t][p.Name]; code != "" {
			return code
		}
		if code := codes()["*"][p.Name]; code != "" {
			return code
		}
	}
	return customCode + hash(p.URL, customHash)
}
