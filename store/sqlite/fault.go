package sqlite

import (
	"fmt"
	"runtime"

	lib "modernc.org/sqlite/lib"

	"github.com/portico-fhir/portico/store"
)

// Fault is an error that SQLite reported about the file. It wraps
// store.ErrUnavailable, store.ErrCorrupt or store.ErrTooLarge where its code
// means one of these.
type Fault struct {
	Code    int    // SQLite's extended result code
	Path    string // of the database file
	Message string // SQLite's own words; they quote no document
}

// Error says what happened to which file, and what to do about it.
func (f *Fault) Error() string {
	s := fmt.Sprintf("sqlite: %s: %s (code %d)", f.Path, f.Message, f.Code)
	if advice := f.advice(); advice != "" {
		s += ": " + advice
	}
	return s
}

// Unwrap gives the sentinel error of package store.
func (f *Fault) Unwrap() error {
	switch f.Code & 0xFF {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_READONLY, lib.SQLITE_FULL, lib.SQLITE_CANTOPEN,
		lib.SQLITE_PERM, lib.SQLITE_PROTOCOL, lib.SQLITE_NOMEM, lib.SQLITE_INTERRUPT, lib.SQLITE_NOLFS:
		return store.ErrUnavailable
	case lib.SQLITE_IOERR:
		if f.Code == lib.SQLITE_IOERR_CORRUPTFS || f.Code == lib.SQLITE_IOERR_DATA {
			return store.ErrCorrupt
		}
		return store.ErrUnavailable
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_FORMAT:
		return store.ErrCorrupt
	case lib.SQLITE_TOOBIG:
		return store.ErrTooLarge
	}
	return nil
}

func (f *Fault) advice() string {
	switch f.Code & 0xFF {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_PROTOCOL:
		return "another program has the file open; stop it first"
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return "the file or its directory cannot be written; check its owner, its mode and the mount"
	case lib.SQLITE_FULL:
		return "the disk is full; free some space, nothing was changed"
	case lib.SQLITE_CANTOPEN:
		return "the file cannot be opened; check that its directory exists and belongs to this user"
	case lib.SQLITE_IOERR:
		return "the disk failed; look at the system's log before trusting it again"
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_FORMAT:
		return "the file is damaged or no Portico database; restore a backup"
	}
	return ""
}

// full reports whether the transaction in which f happened is lost as a whole.
func (f *Fault) full() bool {
	switch f.Code & 0xFF {
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_TOOBIG:
		return false
	}
	return true
}

// brokenBy turns a fault of the mapped memory, recovered as p, into an error.
// Any other panic goes on.
func (c *conn) brokenBy(p any) error {
	err, ok := p.(runtime.Error)
	if !ok {
		panic(p)
	}
	if _, ok := err.(interface{ Addr() uintptr }); !ok {
		panic(p)
	}
	c.broken = true
	return &Fault{
		Code: lib.SQLITE_IOERR_IN_PAGE, Path: c.path,
		Message: "the mapped file could not be read: it was cut short, or the disk failed; restart Portico",
	}
}
