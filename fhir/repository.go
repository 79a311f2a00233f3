package fhir

import (
	"context"
	"time"
)

// Resource is one version of a resource, or its delete marker. Body is the
// complete JSON with id and meta, read-only for everyone; it is nil for a
// delete marker.
type Resource struct {
	Key
	Version string    // meta.versionId; the ETag is W/"Version"
	Updated time.Time // meta.lastUpdated, UTC, millisecond precision
	Deleted bool
	Body    []byte
	// Method is how the version came about; 0 where that is not known. Born says
	// that it brought the resource into being, or back.
	Method Method
	Born   bool
}

// Repository reads and writes resources. Record and chart-map repositories
// implement it, a router picks one by type, and the guard narrows another; a
// handler only ever holds one. Safe for concurrent use. Errors that concern
// the client are *Error; their codes are named at each method.
type Repository interface {
	// Read returns the current version. CodeNotFound; CodeDeleted, and then
	// the Resource beside the error is the delete marker.
	Read(ctx context.Context, key Key) (Resource, error)

	// Version returns one version. CodeNotFound; CodeDeleted for a delete
	// marker, which is then returned beside the error.
	Version(ctx context.Context, key Key, version string) (Resource, error)

	// History returns versions, newest first unless q.Oldest, delete markers included.
	// CodeNotFound for an instance that never was; CodeNotSupported where the
	// Capability of the type does not have what is asked for.
	History(ctx context.Context, q HistoryQuery) (Page, error)

	// Search returns one page of what matches q.
	Search(ctx context.Context, q *Query) (Page, error)

	// Commit carries out the changes, all or nothing, and returns a Result
	// for each in order. When it returns, they are durable. CodeConflict for
	// a failed precondition, CodeNotFound, CodeNotSupported for what
	// the type does not allow.
	Commit(ctx context.Context, changes []Change) ([]Result, error)

	// Describe says what this repository can do with a type, the zero
	// Capability when nothing. The CapabilityStatement and the search parser
	// are derived from it.
	Describe(t Type) Capability
}

// HistoryQuery asks for the versions of one instance, of all of a type, or of
// all types.
type HistoryQuery struct {
	Key    Key       // without ID: of all of the type; empty: of all of Types
	Types  []Type    // nil: all whose Capability has HistoryType; nil with a Key
	Count  int       // page size, > 0
	Cursor string    // Page.Next of the page before; empty for the first
	Since  time.Time // only versions at or after; zero for all
	At     *Date     // only versions that were current at some time within; nil for all
	Oldest bool      // the oldest first
}

// Page is a part of a result. Next is empty on the last page, else an opaque
// position that the same repository understands.
type Page struct {
	Resources []Resource
	Next      string
	Total     *int64 // all matches, when asked for or free
	Included  []Resource
	// Until is, on a page of a history, the moment before which nothing is missing:
	// whoever asks again since then sees every version. Zero where that is not known.
	Until time.Time
}

// Method says what a Change does.
type Method uint8

// The methods.
const (
	Create Method = iota + 1 // under a new id
	Put                      // update, or create under the client's id
	Delete
	Patch // a Put whose Body a patch made
)

// Change is one write. Body is JSON that fhir/schema accepted for Key.Type; the
// repository sets id and meta itself.
type Change struct {
	Method      Method
	Key         Key // of a Create the ID may be empty: the repository chooses one; else it must be free
	Body        []byte
	IfMatch     string // version that must be current, be it a delete marker; empty for any
	IfNoneMatch bool   // the resource must not exist (If-None-Match: *)
	// IfNoneExist makes a creation depend on that nothing meets a condition
	// (R4 3.1.0.8.1). nil: it depends on nothing.
	IfNoneExist *Condition
	// Finish gives the Body in its final form, from what became of the changes before this one;
	// nil: there is nothing to write. It has no effect of its own. nil: Body is final.
	Finish func(before []Result) ([]byte, error)
}

// Condition is a search that must find nothing for a change to be made;
// CodeDuplicate when it finds something. Of several commits with the same Name, on
// whatever node, the later ones see what the first made.
type Condition struct {
	Name  string // the criteria in one fixed spelling, the type included
	Query *Query // the guard narrows its Where as that of any search
}

// Status says what became of a Change.
type Status uint8

// The statuses.
const (
	Created   Status = iota + 1
	Updated          // a new version
	Unchanged        // the content was the same: no new version
	Deleted
	Absent // nothing to delete
	// Proposed: nothing has changed yet, since somebody has to look at it first. Resource is the
	// Task that says what is wanted, without its Body.
	Proposed
)

// Result is what became of a Change. Resource is the version now current, or
// the delete marker; for Absent only its Key is set.
type Result struct {
	Status   Status
	Resource Resource
}

// Capability says what a repository can do with one type.
type Capability struct {
	Read, VRead, HistoryInstance bool
	Create, Update, UpdateCreate bool
	Delete, Search               bool
	HistoryType                  bool // also as part of the history of all types
	// Versioning is a code of http://hl7.org/fhir/versioning-policy.
	Versioning string
	// Params are the search parameters that work, sorted by name.
	Params []*SearchParam
	// Pending are the names of parameters that will work when all resources are
	// indexed by them.
	Pending []string
	// Unanswered are the names of parameters that are defined here on the type, though
	// where its resources live nothing answers them.
	Unanswered []string
	// Sortable tells which of Params _sort accepts, by name.
	Sortable []string
	// Include are the references that _include follows from this type, and
	// RevInclude those that _revinclude follows to it, both as Type:parameter.
	Include, RevInclude []string
	// NewID makes the id of what is to be created from this content; "" where it
	// cannot. nil: any id will do, as long as it is free.
	NewID func(body []byte) string
	// Source says in a sentence where the resources live, for the
	// documentation of the CapabilityStatement.
	Source string
}

// None reports whether the repository can do nothing at all with the type.
func (c Capability) None() bool {
	return !(c.Read || c.VRead || c.HistoryInstance || c.HistoryType || c.Create || c.Update || c.UpdateCreate || c.Delete || c.Search)
}
