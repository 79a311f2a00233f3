//go:build unix

package sqlite

// vfsName is SQLite's file layer for files that one process has for itself:
// it takes the lock on the file once and keeps the WAL index on the heap. A
// read then needs no system call for locking.
const vfsName = "unix-excl"
