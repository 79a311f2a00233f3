package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"github.com/portico-fhir/portico/store"
)

// Backup writes a compact, consistent copy of everything committed to a new
// file at path, readable by this user only. It overwrites nothing: ErrExists
// when there is such a file. Reads and writes go on meanwhile. To restore, put
// the file as portico.db into an empty directory.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("sqlite: backup to %s: %w", path, store.ErrExists)
	}
	if err != nil {
		return unavailable(path, err)
	}
	err = s.copyTo(ctx, path)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("sqlite: backup to %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// copyTo lets SQLite write into the empty file at path.
func (s *Store) copyTo(ctx context.Context, path string) error {
	c, err := s.openReader()
	if err != nil {
		return err
	}
	defer c.close()
	// It writes nothing to the database itself.
	if err := c.exec("PRAGMA query_only=0"); err != nil {
		return err
	}
	stop := c.interruptOn(ctx)
	defer stop()
	if err := c.run("VACUUM INTO ?", path); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return nil
}

// interruptOn makes the statement under way end when ctx does, until stop.
func (c *conn) interruptOn(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		tls := libc.NewTLS() // the connection's own is in use
		defer tls.Close()
		lib.Xsqlite3_interrupt(tls, c.db)
	})
	return func() {
		if !cancel() {
			<-done
		}
	}
}
