package chartmap

import (
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// Map is a loaded chart map: checked against R4 and compiled. It is read-only
// and safe for concurrent use.
type Map struct {
	Name     string         // of the file
	Location *time.Location // local time where nothing else is said
	Maps     []*Mapping     // in the order of the file
	Warnings Problems       // what works, but should be looked at

	types map[fhir.Type]*served
}

// Mapping is one entry of maps: how the documents of a collection are resources
// of a type. Reading and searching are compiled. What concerns writing and access
// is checked and kept here for those who enforce it.
type Mapping struct {
	Name       string
	Resource   fhir.Type
	Collection string // as the store knows it: "database.collection"
	Line       int
	Where      store.Filter // nil for all documents
	Archive    string       // collection of what documents were before; empty for none

	// Visible is the release rule: patients and proxies see only documents
	// that match. nil releases everything. It is applied where the context says
	// that one of them acts (commit.As).
	Visible store.Filter
	// Compartment gives the field with the key of the compartment's owner, by
	// the owner's type.
	Compartment map[fhir.Type]string
	// Transitions lists for an actor and a state of the EHR ("" for a new
	// document) the states that may follow.
	Transitions map[string]map[string][]string
	Writable    bool // what Allows names; false for reading only
	Allows      Allows
	NewID       string  // how new keys are made: "objectId", "uuid", or "counter" of the EHR's
	Review      *Review // whose changes somebody looks at first; nil: nobody's
	Unmapped    string  // "overflow" or "reject": what is done with FHIR data without a rule
	Concurrency string  // "version" or "document": what an update depends on

	state    *coded   // the rule that Transitions are about
	onCreate []given  // fields that a new document gets besides those of the rules
	counted  *counter // of NewID
	labels   []label  // meta.security; none where the map does not say

	// Rules are the element rules in the order of the file.
	Rules []*Rule

	each    *spread   // a resource of each element of an array
	group   *grouping // a resource of several documents
	element ref       // key of the element, with each

	id, version ref
	archived    ref // of Archive: the key of the document that one was
	updated     *moment
	scope       *scope
	fields      []string
	branches    []*branch

	shared cond                       // what all branches ask of a document
	fanned []string                   // elements that not all branches have alike
	common map[*fhir.SearchParam]bool // R4's parameters that mean the same in all branches
}

// Allows says which changes the EHR takes.
type Allows struct{ Create, Update, Delete bool }

// Rule is the write side of one element rule.
type Rule struct {
	Path       string   // "Patient.name.family"
	Suffix     string   // of the fan-out branch it belongs to; empty for all
	Line       int      // in the chart map
	Fields     []string // of the document that the rule writes; none for constants
	Derived    bool     // $write: derived
	WritableBy []string // $writableBy
	Once       bool     // $once
}

// Bookkeeping gives the fields of the key, the version and the time of the last change; empty
// where the map names none.
func (m *Mapping) Bookkeeping() (id, version, updated string) {
	if m.updated != nil {
		updated = m.updated.path
	}
	version = m.version.path
	if m.group != nil {
		version = m.group.version
	}
	return m.id.path, version, updated
}

// Fans reports whether one document becomes several resources, or several one.
func (m *Mapping) Fans() bool { return m.branches[0].suffix != "" || m.viewed() }

// branch is one resource that a document becomes: the only one, or one of its
// fan-out.
type branch struct {
	*Mapping
	number int    // within its type
	suffix string // empty without fan-out
	body   *object
	base   cond // where, has, and what cannot be served without
	own    cond // base but for what all branches of the map share
	has    []string
}

// served is everything about one resource type.
type served struct {
	typ      fhir.Type
	ids      ids
	maps     []*Mapping
	branches []*branch
	params   []*fhir.SearchParam
	sortable []string
	paths    map[*fhir.SearchParam][][]step     // of params, as their expressions say
	keys     map[*fhir.SearchParam][][]sortPart // of sortable ones, by branch
}

// Types lists the resource types that the map serves, in the order of the file.
func (m *Map) Types() []fhir.Type {
	var out []fhir.Type
	seen := map[fhir.Type]bool{}
	for _, mp := range m.Maps {
		if !seen[mp.Resource] {
			seen[mp.Resource] = true
			out = append(out, mp.Resource)
		}
	}
	return out
}
