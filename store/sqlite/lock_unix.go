//go:build unix && !solaris && !aix

package sqlite

import (
	"os"
	"syscall"
)

// locks says that lockFile keeps other processes out.
const locks = true

// lockFile takes an exclusive lock on f that ends with the process.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// unlockFile ends the lock. Closing f alone would not, while a process that is
// just being started still has a copy of the descriptor.
func unlockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
