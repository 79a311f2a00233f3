package store

import (
	"context"
	"iter"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Doc is one document as raw BSON. A Doc returned by a Store belongs to the
// caller: the store neither changes nor reuses its bytes.
type Doc = bson.Raw

// Value is one BSON value, as found in a Doc. The zero Value stands for a
// missing field.
type Value = bson.RawValue

// Store keeps documents in named collections. All methods are safe for
// concurrent use and honour ctx.
//
// A collection comes into being when something is first written to it; an
// unknown collection is empty. A name is either plain ("Patient"), then it
// lives in Portico's own database, or "database.collection" ("clinic.patients"),
// then it belongs to that database. Only MongoDB has databases; for the
// others the qualified name is just a name.
//
// Errors of every method can be tested with errors.Is against the Err
// variables of this package; anything else is a fault of the backend.
type Store interface {
	// Find yields the documents that match q in q's order. The sequence
	// stops after its first error, which it yields with a nil Doc. What it
	// yields was committed; a document is yielded at most once. Breaking out
	// of the loop releases everything that the search holds.
	Find(ctx context.Context, q Query) iter.Seq2[Doc, error]

	// Count returns how many documents match q.Where. It ignores order,
	// cursor and fields. With q.Limit > 0 it stops counting there: the
	// result is then min(Limit, matches).
	Count(ctx context.Context, q Query) (int64, error)

	// Apply carries out ops in order, all or nothing, over any collections.
	// When it returns nil the change is durable. When it fails nothing has
	// changed, and the error is an *OpError naming the op where one is to
	// blame. Later ops see the effect of earlier ones. Malformed ops (see
	// Op.Validate) are found before anything is tried.
	Apply(ctx context.Context, ops []Op) error

	// Ensure declares indexes. Declaring the same index again does nothing;
	// the same name with another definition is an error. Existing documents
	// are indexed before it returns.
	Ensure(ctx context.Context, indexes []Index) error

	// Close releases the store after the calls under way have ended.
	Close() error
}

// Query asks for documents of one collection.
type Query struct {
	Collection string
	Where      Filter   // nil matches every document
	Order      []Key    // ties are always broken by _id ascending, or in the direction of the last key
	After      Cursor   // yield only what comes strictly after this position in Order
	Limit      int      // 0 means no limit
	Expect     int      // without a limit: how many the caller is likely to take, for the choice of an index; 0 means all
	MaxSort    int      // how many documents may be sorted where no index gives the order; more are ErrTooCostly. 0 means no limit
	Fields     []string // top-level fields to return; _id always is; nil means all
}

// Key is one part of an order. A document sorts by the smallest element of an
// array when ascending, by the greatest when descending; missing sorts as null.
type Key struct {
	Path string
	Desc bool
	// Within, only in a query, makes a document sort by some strings of the array
	// at Path, which is then a field at the top (a string alone is an array of one); what
	// has none of them comes last.
	Within *Within
}

// Within selects the strings that lie in one of its stretches. What sorts is what
// follows the prefix of the stretch.
type Within struct {
	Stretches []Stretch
	// Required leaves out documents without such a string. It needs to be the
	// first key of its order.
	Required bool
}

// Stretch selects strings that start with Prefix followed by what is not below Low
// and, unless that is empty, below High.
type Stretch struct{ Prefix, Low, High string }

// Cursor is a keyset position: the sort values of a document under an order,
// its _id last. It carries no authority and stays valid whatever is written.
// Get one from Position; nil is the position before the first document.
type Cursor []Value

// OpKind says what an Op does.
type OpKind uint8

// The kinds of Op.
const (
	// Insert adds Doc, which must have an _id. ErrExists when that _id or a
	// unique index value is taken.
	Insert OpKind = iota + 1
	// Replace puts Doc in the place of the document with ID. Doc must have
	// the same _id. ErrConflict when there is none.
	Replace
	// Update sets and unsets fields of the document with ID and leaves all
	// others as they are. ErrConflict when there is none.
	Update
	// Delete removes the document with ID. ErrConflict when there is none.
	Delete
)

// Op is one change to one document.
type Op struct {
	Kind       OpKind
	Collection string
	ID         Value // of the document, for all but Insert
	Doc        Doc   // for Insert and Replace
	Set        []Field
	Unset      []string
	// If must match the document as it stands before this op, else
	// ErrConflict. nil always matches. Insert takes none.
	If Filter
}

// Field is a value to set. Path is dotted; a numeric part addresses an
// existing array element, missing parents are created as documents.
type Field struct {
	Path  string
	Value Value
}

// Index declares an index over a collection. An array value is indexed by
// each of its elements (multikey); at most one Key may be an array.
type Index struct {
	Collection string
	Name       string
	Keys       []Key
	Unique     bool
	Sparse     bool // leave out documents that have none of the fields
	// ExpireAfter > 0 lets a document vanish some time after the date in its
	// single key plus this duration. Readers that need the exact moment check
	// it themselves.
	ExpireAfter time.Duration
	// Loose says that few documents have the same keys but for the last, their
	// _id. A backend may then leave the _id out, which takes much room, and sort those
	// few when they are asked for in order.
	Loose bool
	// Replaces names indexes of the collection that this one makes superfluous.
	// They are dropped once it is built; those that are not there do not matter.
	Replaces []string
}

// Watcher is a Store that reports changes as they are committed.
type Watcher interface {
	// Watch yields the changes to the collections after the token, or from
	// now on when it is nil, until ctx ends, which it yields as an error, or
	// the store is closed (ErrClosed). No collections are ErrInvalid.
	// ErrTokenLost when the history behind the token is gone.
	Watch(ctx context.Context, collections []string, after Token) iter.Seq2[Event, error]
}

// Token is a place in the stream of changes; it survives restarts.
type Token []byte

// Event is one committed change.
type Event struct {
	Token      Token
	Kind       OpKind
	Collection string
	ID         Value
	Doc        Doc // as it stands after the change, when at hand; nil for Delete
}

// Explainer is a Store that can say how it would answer a query.
type Explainer interface {
	// Explain runs q and reports how it was answered.
	Explain(ctx context.Context, q Query) (Plan, error)
}

// Plan says how a query was answered.
type Plan struct {
	Index    string // name of the index that drove the search; "_id"; "" for a scan of the collection
	Keys     int64  // index entries examined
	Docs     int64  // documents examined
	Returned int64
	Sorted   bool // the order came from sorting, not from the index
}

// PartialSorter is a Store in which an index on the path of a key with Within gives
// its order: such a search looks at no more than it yields.
type PartialSorter interface {
	// SortsWithin reports whether that is so: a Store that passes calls on to another
	// asks that one.
	SortsWithin() bool
}

// SortsWithin reports whether s is such a Store.
func SortsWithin(s Store) bool {
	p, ok := s.(PartialSorter)
	return ok && p.SortsWithin()
}

// Backuper is a Store that can copy itself to a file while in use.
type Backuper interface {
	// Backup writes a consistent copy of everything committed to a new file.
	Backup(ctx context.Context, path string) error
}

// Committer is a Store that writes several calls of Apply to the disk at once.
type Committer interface {
	// Commits tells how many calls of Apply were committed since the store was
	// opened, and in how many writes that were waited for.
	Commits() (calls, groups int64)
}

// Marker is a Store that nobody else can write to, and that can say whether anything was
// written.
type Marker interface {
	// Mark gives a number that is another after each write that was acknowledged.
	// What was read after the mark was taken, is still so as long as it is the same.
	// ok is false when others may write, too.
	Mark() (mark int64, ok bool)
}

// Pinger is a Store that can say whether it is ready to serve.
type Pinger interface {
	Ping(ctx context.Context) error
}
