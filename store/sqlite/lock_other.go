//go:build !unix || solaris || aix

package sqlite

import "os"

// lockFile does nothing where the system has no flock: SQLite's own lock on
// the database is then the only one.
func lockFile(*os.File) error { return nil }

func unlockFile(*os.File) error { return nil }
