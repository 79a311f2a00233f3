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

// advise warns of every search that had to look through a whole collection of the EHR, with the
// index that would help.
func advise(out io.Writer, t *explain.Trace) {
	told := make(map[string]bool)
	for _, st := range t.Steps() {
		if p := st.Plan; p == nil || !strings.Contains(st.Collection, ".") || p.Index != "" && (p.Index != "_id" || p.Docs <= 2*p.Returned+10) {
			continue // in the order of _id, all documents are looked at, too
		}
		fields := equalities(st.Where, nil)
		for _, k := range st.Order {
			if k.Path != "_id" && len(fields) > 0 && !slices.Contains(fields, k.Path) {
				fields = append(fields, k.Path)
			}
		}
		line := fmt.Sprintf("WARNING: %s was looked through: %d documents for %d.", st.Collection, st.Plan.Docs, st.Plan.Returned)
		if len(fields) > 0 {
			line += " An index helps:\n  " + checkup.Suggestion{Collection: st.Collection, Fields: fields}.CreateIndex()
		}
		if !told[line] {
			told[line] = true
			fmt.Fprintln(out, line)
		}
	}
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
