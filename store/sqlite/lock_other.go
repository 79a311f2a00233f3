//go:build !unix || solaris || aix

package sqlite

import "os"

// locks says that lockFile keeps other processes out.
const locks = false

// lockFile does nothing where the system has no flock: SQLite's own lock on
// the database is then the only one.
func lockFile(*os.File) error { return nil }

func unlockFile(*os.File) error { return nil }
