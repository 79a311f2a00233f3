package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/sqlite"
)

// backingUp copies an embedded store to a file.
type backingUp struct {
	lasting

	To string // an absolute path: a server may run elsewhere
}

// backup copies an embedded store to a file.
func backup(ctx context.Context, args []string, env func(string) string, std streams) error {
	f := newFlags("backup")
	at, file, done, err := place(f, args, "file to write", env, std)
	switch {
	case err != nil || done:
		return err
	case at.URI.isMongo():
		return usageError{errors.New("backup: this copies an embedded store. MongoDB has tools of its own for that, as mongodump --oplog")}
	}
	to, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return dispatch(ctx, at, f.Name(), &backingUp{To: to}, std)
}

// open opens a store whatever the layout of its records is.
func (*backingUp) open(ctx context.Context, at StoreConfig, opts sqlite.Options) (store.Store, error) {
	return openBackend(ctx, at, opts)
}

func (e *backingUp) carryOut(ctx context.Context, o *office) (string, error) {
	from, ok := o.store.(store.Backuper)
	if !ok {
		return "", errors.New("this store cannot be copied while it is in use")
	}
	switch err := from.Backup(ctx, e.To); {
	case errors.Is(err, store.ErrExists):
		return "", fmt.Errorf("there is a file %s already: a backup overwrites nothing", e.To)
	case err != nil:
		return "", why(ctx, err)
	}
	made, err := os.Stat(e.To)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %d bytes. To restore it, put it as %s into an empty directory, and serve that\n", e.To, made.Size(), sqlite.FileName), nil
}
