package policy

import (
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

// Class says to whom a type is visible at all.
type Class uint8

// The classes. The zero value is that of what is no type.
const (
	Closed     Class = iota + 1 // to backend services only
	Shared                      // to whoever is signed in
	Record                      // to those who may see the record that it is part of
	AsAttached                  // as what it is attached to
)

// Rule says what makes a resource of a type part of a patient's record. References
// count that are to a Patient of this server and name no version.
type Rule struct {
	// Self: the resource is the patient.
	Self bool `yaml:"self"`
	// Element names the patient: a path of JSON members below the resource, of
	// which the last is a Reference.
	Element string `yaml:"element"`
	// Params are search parameters that find just what Element refers to. Of those
	// that a repository offers the first is used.
	Params []string `yaml:"params"`
	// Unassigned: what has no Element at all is part of every record.
	Unassigned bool `yaml:"unassigned"`
	// Versions: references that name a version count, too.
	Versions bool `yaml:"versions"`
	// Through: references to what is part of the record count, too, and all must be
	// to that or to the patient. The last of Params finds them.
	Through bool `yaml:"through"`
	// Else says what counts where there is no Element.
	Else *Alternative `yaml:"else"`
	// Apart names references in a list, as Element does: each item of the list is for
	// those only who know whom it refers to. Other patients, and what is part of their
	// records, are left out of what is shown, and found by nobody else.
	Apart string `yaml:"apart"`

	path  []string
	paths [][]string // of Else
}

// Alternative is what names the patient where nothing else does.
type Alternative struct {
	Elements []string `yaml:"elements"`
	Params   []string `yaml:"params"` // each finds what an element refers to
}

// Attached says by which resources a type is visible that they have as an
// attachment.
type Attached struct {
	By     fhir.Type `yaml:"by"`
	Params []string  `yaml:"params"` // parameters with the URL of the attachment
}

// Path gives the members that lead to the References of Element.
func (r *Rule) Path() []string { return r.path }

// ApartPath gives the members that lead to the References of what is shown apart of a
// type, of which the first is the list; nil when nothing is.
func (p *Policy) ApartPath(t fhir.Type) []string { return p.apart[t] }

// ElsePaths gives those of Else.
func (r *Rule) ElsePaths() [][]string { return r.paths }

// Class gives the class of a type.
func (p *Policy) Class(t fhir.Type) Class { return p.classes[t] }

// classify checks that each type of R4 has just one class, and its rule.
func (p *Policy) classify(problem func(string, ...any)) {
	p.classes = make(map[fhir.Type]Class)
	p.apart = make(map[fhir.Type][]string)
	put := func(t fhir.Type, c Class) {
		if !t.Valid() {
			problem("%q is no resource type of R4", t)
		}
		if p.classes[t] != 0 {
			problem("%s is listed twice", t)
		}
		p.classes[t] = c
	}
	for t, r := range p.Record {
		put(t, Record)
		r.check(t, problem)
		if r.Apart != "" {
			p.apart[t] = strings.Split(r.Apart, ".")
		}
	}
	for _, t := range p.Shared {
		put(t, Shared)
	}
	for _, t := range p.Closed {
		put(t, Closed)
	}
	for t, path := range p.Apart {
		if p.classes[t] != Shared || path == "" {
			problem("apart: %s must be a shared type, with a path; those of a record have it in their rule", t)
		}
		p.apart[t] = strings.Split(path, ".")
	}
	for t, a := range p.Attached {
		put(t, AsAttached)
		if p.Record[a.By] == nil || len(a.Params) == 0 {
			problem("attached: %s: by must be a type of the record, and params its parameters", t)
		}
	}
	for _, t := range fhir.Types() {
		if p.classes[t] == 0 {
			problem("%s is neither of a record, nor shared, attached or closed", t)
		}
	}
}

func (r *Rule) check(t fhir.Type, problem func(string, ...any)) {
	if r.Self != (r.Element == "") || len(r.Params) == 0 {
		problem("record: %s: there must be params, and either self or an element", t)
	}
	if r.Element != "" {
		r.path = strings.Split(r.Element, ".")
	}
	params := r.Params
	if r.Else != nil {
		if len(r.Else.Elements) == 0 || len(r.Else.Params) != len(r.Else.Elements) {
			problem("record: %s: else needs as many params as elements", t)
		}
		for _, e := range r.Else.Elements {
			r.paths = append(r.paths, strings.Split(e, "."))
		}
		params = append(params[:len(params):len(params)], r.Else.Params...)
	}
	for _, name := range params {
		if _, ok := search.Lookup(t, name); !ok {
			problem("record: %s has no search parameter %q", t, name)
		}
	}
}
