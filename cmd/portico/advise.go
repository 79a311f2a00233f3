package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir/checkup"
	"github.com/portico-fhir/portico/fhir/explain"
	"github.com/portico-fhir/portico/store"
)

// advise warns of every search that had to look through a whole collection of the EHR, or
// to sort what it found there, with the index that would help.
func advise(out io.Writer, t *explain.Trace) {
	told := make(map[string]bool)
	for _, st := range t.Steps() {
		p := st.Plan
		if p == nil || !strings.Contains(st.Collection, ".") {
			continue
		}
		many := p.Docs > 2*p.Returned+10
		line := ""
		switch {
		case p.Index == "", p.Index == "_id" && many: // in the order of _id, all documents are looked at, too
			line = fmt.Sprintf("WARNING: %s was looked through: %d documents for %d.", st.Collection, p.Docs, p.Returned)
		case p.Sorted && many:
			line = fmt.Sprintf("WARNING: %d documents of %s were sorted for %d.", p.Docs, st.Collection, p.Returned)
		default:
			continue
		}
		help := st.Collection
		if fields := ordered(equalities(st.Where, nil), st.Order); len(fields) > 0 {
			help = checkup.Suggestion{Collection: st.Collection, Fields: fields}.CreateIndex()
			line += " An index helps:\n  " + help
		}
		if !told[help] { // once for all searches that it helps
			told[help] = true
			fmt.Fprintln(out, line)
		}
	}
}

// ordered adds the fields of an order to those that are compared, with "-" in front where
// they do not go the way of the first.
func ordered(fields []string, order []store.Key) []string {
	for _, k := range order {
		if k.Path == "_id" || slices.Contains(fields, k.Path) {
			continue
		}
		path := k.Path
		if k.Desc != order[0].Desc {
			path = "-" + path
		}
		fields = append(fields, path)
	}
	return fields
}

// equalities are the fields that a filter compares with values for all it finds; what
// only narrows afterwards is left out.
func equalities(f store.Filter, fields []string) []string {
	add := func(path string) []string {
		if slices.Contains(fields, path) {
			return fields
		}
		return append(fields, path)
	}
	switch f := f.(type) {
	case store.And:
		for _, part := range f {
			fields = equalities(part, fields)
		}
		return fields
	case store.Or:
		var common []string // that all alternatives ask for
		for i, part := range f {
			mine := equalities(part, nil)
			if i == 0 {
				common = mine
			}
			common = slices.DeleteFunc(common, func(path string) bool { return !slices.Contains(mine, path) })
		}
		for _, path := range common {
			fields = add(path)
		}
		return fields
	case store.Eq:
		if f.Value.IsZero() || f.Value.Type == store.Null().Type {
			return fields // also what is not there
		}
		return add(f.Path)
	case store.In:
		return add(f.Path)
	case store.Elem:
		for _, path := range equalities(f.Where, nil) {
			fields = add(f.Path + "." + path)
		}
		return fields
	default:
		return fields
	}
}
