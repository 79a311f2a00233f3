package policy

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/smart/scope"
)

// Basis says which column of the matrix a grant uses in each band of age; empty:
// none, it has no effect.
type Basis struct {
	Child   string `yaml:"child"`
	Teen    string `yaml:"teen"`
	Adult   string `yaml:"adult"`
	Undated string `yaml:"undated"` // of somebody whose age is not known
	// Ordered are the columns, by band, where a court's order gives it in full.
	Ordered map[string]string `yaml:"ordered"`
	// Longest is how long a grant lasts at most; 0: as long as it says.
	Longest time.Duration `yaml:"longest"`
}

// Action is what a proxy may do in a category.
type Action string

// The actions.
const (
	See     Action = "read"
	Request Action = "request" // ask for an Appointment
	Cancel  Action = "cancel"  // change or cancel one
	Send    Action = "send"    // a Communication
	Refill  Action = "refill"  // ask for a prescription to be renewed
	Answer  Action = "answer"  // a QuestionnaireResponse, or an Observation of one's own
	End     Action = "end"     // one's own grant, or a part of it: $revoke-proxy, $narrow-proxy
	// Change is any other change: no cell permits it, so that no proxy may.
	Change Action = "change"
)

var actions = []Action{See, Request, Cancel, Send, Refill, Answer, End}

// Actions lists them. The slice is the caller's.
func Actions() []Action { return slices.Clone(actions) }

// Column is what proxies of a kind may do.
type Column struct {
	// Named: a grant opens only the categories that it names, and Always.
	Named  bool                 `yaml:"named"`
	Always []string             `yaml:"always"`
	Cells  map[string]Cell      `yaml:"cells"` // by category
	Hide   map[fhir.Type]Hidden `yaml:"hide"`
}

// Cell is what a column permits in a category.
type Cell struct {
	Do []Action `yaml:"do"`
	// Own: only what the proxy is a party of.
	Own bool `yaml:"own"`
	// Label are actions on what is labelled at most so (U, L, M, N, R or V).
	Label map[Action]string `yaml:"label"`
}

// Hidden is what is not shown of resources of a type.
type Hidden struct {
	Elements []string `yaml:"elements"` // top-level members
	Params   []string `yaml:"params"`   // search parameters that would tell
}

// place is a part of a type that belongs to a category.
type place struct {
	category string
	filter   string // as in a scope; empty: all of the type
}

// Opens gives the parts of a type on which e permits an action: each as a filter as in
// a scope, empty for all of the type, and whether only what the proxy is a party of.
// None: nothing is permitted.
func (p *Policy) Opens(e *Effective, t fhir.Type, a Action) []Part {
	var parts []Part
	for _, place := range p.cells[t] {
		cell, ok := e.Cells[place.category]
		if !ok || !slices.Contains(cell.Do, a) {
			continue
		}
		part := Part{Filter: place.filter, Own: cell.Own}
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return parts
}

// Part is a part of a type.
type Part struct {
	Filter string
	Own    bool
}

func (p *Policy) checkMatrix(problem func(string, ...any)) {
	p.cells = make(map[fhir.Type][]place)
	for _, category := range slices.Sorted(maps.Keys(p.Categories)) {
		for _, entry := range p.Categories[category] {
			name, filter, filtered := strings.Cut(entry, "?")
			t := fhir.Type(name)
			if _, ok := scope.Pairs(filter); filtered && !ok {
				problem("categories: %s: %q is not written Type?name=value", category, entry)
			}
			if c := p.classes[t]; c != Record && c != AsAttached {
				problem("categories: %s: %q is no type of a record", category, name)
			}
			p.cells[t] = append(p.cells[t], place{category, filter})
		}
	}
	columns := map[string]bool{"": true}
	for name, c := range p.Columns {
		columns[name] = true
		p.checkColumn(name, c, problem)
	}
	for name, b := range p.Bases {
		for _, column := range append(slices.Collect(maps.Values(b.Ordered)), b.Child, b.Teen, b.Adult, b.Undated) {
			if !columns[column] {
				problem("bases: %s: there is no column %q", name, column)
			}
		}
		if b.Longest < 0 {
			problem("bases: %s: longest is negative", name)
		}
	}
}

func (p *Policy) checkColumn(name string, c Column, problem func(string, ...any)) {
	for _, category := range append(slices.Collect(maps.Keys(c.Cells)), c.Always...) {
		if p.Categories[category] == nil {
			problem("columns: %s: there is no category %q", name, category)
		}
		cell := c.Cells[category]
		for _, a := range append(slices.Collect(maps.Keys(cell.Label)), cell.Do...) {
			if !slices.Contains(actions, a) {
				problem("columns: %s: %s: there is no action %q", name, category, a)
			}
		}
		for _, l := range cell.Label {
			if !slices.Contains([]string{"U", "L", "M", "N", "R", "V"}, l) {
				problem("columns: %s: %s: there is no label %q", name, category, l)
			}
		}
	}
	for t, h := range c.Hide {
		for _, param := range h.Params {
			if _, ok := search.Lookup(t, param); !ok {
				problem("columns: %s: hide: %s has no search parameter %q", name, t, param)
			}
		}
	}
}
