package store

import (
	"errors"
	"fmt"
)

// What can go wrong with a document, as opposed to with the backend.
var (
	// ErrConflict: the document is missing or its precondition does not hold.
	ErrConflict = errors.New("store: precondition failed")
	// ErrExists: the _id or a unique index value is taken.
	ErrExists = errors.New("store: already exists")
	// ErrTooLarge: a document, or the batch, is larger than the backend takes.
	ErrTooLarge = errors.New("store: too large")
	// ErrInvalid: the query, op or index is malformed.
	ErrInvalid = errors.New("store: invalid")
	// ErrTooCostly: more documents would have to be sorted than the query allows.
	ErrTooCostly = errors.New("store: too costly")
	// ErrUnavailable: the backend cannot serve now (locked, read-only, disk
	// full, no primary); nothing was changed, and trying again may succeed.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrCorrupt: the backend's file or reply is damaged.
	ErrCorrupt = errors.New("store: corrupt")
	// ErrTokenLost: the changes after a Watch token are no longer known.
	ErrTokenLost = errors.New("store: change token is too old")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store: closed")
)

// OpError says which op of an Apply failed.
type OpError struct {
	Index int    // position in the ops
	Name  string // of the unique index, when ErrExists is about one; empty when it is about the _id
	Err   error  // is ErrConflict, ErrExists, ErrTooLarge or ErrInvalid
}

// Error implements error without quoting any document.
func (e *OpError) Error() string {
	if e.Name != "" {
		return fmt.Sprintf("op %d: index %s: %v", e.Index, e.Name, e.Err)
	}
	return fmt.Sprintf("op %d: %v", e.Index, e.Err)
}

// Unwrap gives the sentinel error.
func (e *OpError) Unwrap() error { return e.Err }
