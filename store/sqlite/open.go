package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portico-fhir/portico/store"
)

// Options are the parameters of a store. The zero value is good.
type Options struct {
	Readers  int           // read connections kept open; 0: four for each CPU
	Searches int           // searches that may hold a connection at once; 0: 256
	Queue    int           // calls of Apply that may wait; 0: 4096. More get ErrUnavailable
	Map      int64         // bytes of the file to map into memory; 0: all
	Recent   int           // bytes of index entries that are kept in memory until they are put in their places; 0: 16 MB, and up to twice that
	Loading  bool          // much is brought in: entries go into their places in large steps, until something is searched for
	Sort     int           // bytes of keys that one sort may hold; 0: 16 MB. More sorts in several passes
	Sweep    time.Duration // between looks for expired documents; 0: a minute

	Now func() time.Time // for expiry; nil: time.Now
	Log *slog.Logger     // for what no caller can be told; nil: nowhere

	maxPages int64  // for tests: a full disk
	layer    string // for tests: a disk that fails; "": vfsName
}

func (o Options) withDefaults() Options {
	if o.Readers <= 0 {
		o.Readers = 4 * runtime.GOMAXPROCS(0)
	}
	if o.Searches <= 0 {
		o.Searches = 256
	}
	if o.Queue <= 0 {
		o.Queue = 4096
	}
	if o.Map <= 0 {
		o.Map = 1 << 46
	}
	if o.Recent <= 0 {
		o.Recent = 16 << 20
	}
	if o.Sort <= 0 {
		o.Sort = 16 << 20
	}
	if o.Sweep <= 0 {
		o.Sweep = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.layer == "" {
		o.layer = vfsName
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// cache is how many bytes of the file's pages the writer keeps besides those that are mapped.
func (o Options) cache() int {
	if o.Loading {
		return 128 << 20 // all of what is in the log: each page is written once more before the log is copied
	}
	return 32 << 20
}

// FileName is the database's name in its directory.
const FileName = "portico.db"

const (
	application = 0x506f7274 // "Port", for file(1)
	format      = 4          // of the layout in doc.go
	oldest      = 1          // format that is brought up to date
)

// Store is a store in one file. It is safe for concurrent use.
type Store struct {
	opts    Options
	path    string
	file    os.FileInfo // what path was when it was opened
	lock    *os.File
	readers *pool
	writer  *writer
	catalog atomic.Pointer[catalog]

	versions versions
	packing  atomic.Bool // edits are packed, until something is searched for
	packed   sync.Map    // iid of each index that lacks some of them
	strings  *numbered
	sweeper  *sweeper
	making   sync.Map // counters on their way

	mu     sync.Mutex
	calls  sync.WaitGroup // under way
	closed bool
}

var (
	_ store.Store         = (*Store)(nil)
	_ store.Explainer     = (*Store)(nil)
	_ store.Backuper      = (*Store)(nil)
	_ store.Pinger        = (*Store)(nil)
	_ store.PartialSorter = (*Store)(nil)
)

// Open opens the store in dir, which it makes if need be, readable by this user
// only. While it is open no other process, and no other Store, can open it:
// that is ErrUnavailable, as are a read-only or full disk. ErrCorrupt when the
// file is damaged, no Portico database, or of a newer format than this program
// knows.
func Open(dir string, opts Options) (*Store, error) {
	s := &Store{opts: opts.withDefaults(), path: filepath.Join(dir, FileName)}
	if err := s.open(dir); err != nil {
		s.release()
		return nil, err
	}
	go s.writer.run()
	s.sweeper = startSweeper(s)
	return s, nil
}

func (s *Store) open(dir string) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	if err := s.takeLock(dir); err != nil {
		return err
	}
	// The file is made here for the sake of its mode, and never opened in any
	// other way than by SQLite: closing it would drop SQLite's own lock.
	if _, err := os.Lstat(s.path); errors.Is(err, fs.ErrNotExist) {
		if err := makeFile(s.path); err != nil {
			return err
		}
	}
	c, err := openConn(s.path, readWrite, s.opts.layer)
	if err != nil {
		return err
	}
	s.writer = newWriter(s, c)
	if err := s.prepareFile(c); err != nil {
		return err
	}
	s.writer.watchLog()
	if err := c.mapMore(s.opts.Map); err != nil {
		return err
	}
	cat, err := loadCatalog(c)
	if err != nil {
		return err
	}
	s.catalog.Store(cat)
	if s.strings, err = loadNumbered(c); err != nil {
		return err
	}
	c.strings = s.strings
	if s.file, err = os.Stat(s.path); err != nil {
		return unavailable(s.path, err)
	}
	if err := s.writer.loadEdits(); err != nil {
		return err
	}
	s.readers = newPool(s.opts.Readers, s.opts.Searches, 5*time.Second, s.openReader)
	return nil
}

// makeDir makes dir and makes sure that it stays.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unavailable(dir, err)
	}
	return syncDir(filepath.Dir(filepath.Clean(dir)))
}

func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return unavailable(path, err)
	}
	if err := f.Close(); err != nil {
		return unavailable(path, err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // cannot be done there, and need not
	}
	d, err := os.Open(dir)
	if err != nil {
		return unavailable(dir, err)
	}
	err = d.Sync()
	if closed := d.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return unavailable(dir, err)
	}
	return nil
}

// takeLock keeps other stores out, those of this process included.
func (s *Store) takeLock(dir string) error {
	path := filepath.Join(dir, "portico.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return unavailable(path, err)
	}
	if err := lockFile(f); err != nil {
		return errors.Join(fmt.Errorf("sqlite: %s: another Portico has it open; stop that one first: %w (%v)",
			dir, store.ErrUnavailable, err), f.Close())
	}
	s.lock = f
	return nil
}

// prepareFile sets the connection up and brings an empty file into format.
func (s *Store) prepareFile(c *conn) error {
	if err := s.setUp(c); err != nil {
		return err
	}
	version, err := c.pragmaInt("user_version")
	if err != nil {
		return err
	}
	app, err := c.pragmaInt("application_id")
	if err != nil {
		return err
	}
	tables, err := c.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	switch {
	case tables == 0 && version == 0:
	case app != application:
		return fmt.Errorf("sqlite: %s: this is no Portico database; give another directory: %w", s.path, store.ErrCorrupt)
	case version > format:
		return fmt.Errorf("sqlite: %s: its format %d is newer than this program's %d; use the newer Portico: %w",
			s.path, version, format, store.ErrCorrupt)
	case version < oldest:
		return fmt.Errorf("sqlite: %s: unknown format %d: %w", s.path, version, store.ErrCorrupt)
	}
	for _, sql := range []string{
		"PRAGMA auto_vacuum=INCREMENTAL", // of a new file; one that was made without stays as it is
		"PRAGMA journal_mode=WAL",
		"PRAGMA synchronous=FULL",
		"PRAGMA wal_autocheckpoint=0",
		fmt.Sprintf("PRAGMA cache_size=-%d", s.opts.cache()>>10),
		"BEGIN IMMEDIATE",
	} {
		if err := c.exec(sql); err != nil {
			return err
		}
	}
	if tables > 0 && version < format {
		if err := s.writer.upgrade(version); err != nil {
			return err
		}
	}
	if tables == 0 {
		for _, sql := range []string{
			fmt.Sprintf("PRAGMA application_id=%d", application),
			fmt.Sprintf("PRAGMA user_version=%d", format),
			"CREATE TABLE portico_collections(cid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
			"CREATE TABLE portico_indexes(iid INTEGER PRIMARY KEY, cid INTEGER NOT NULL, name TEXT NOT NULL, " +
				"definition TEXT NOT NULL, multi INTEGER NOT NULL, UNIQUE(cid, name))",
			createCounts,
			createRecent,
			createStrings,
		} {
			if err := c.exec(sql); err != nil {
				return err
			}
		}
	}
	return c.exec("COMMIT")
}

// setUp is what every connection needs.
func (s *Store) setUp(c *conn) error {
	if err := c.exec("PRAGMA busy_timeout=2000"); err != nil {
		return err
	}
	if s.opts.maxPages > 0 {
		if err := c.exec(fmt.Sprintf("PRAGMA max_page_count=%d", s.opts.maxPages)); err != nil {
			return err
		}
	}
	return c.exec(fmt.Sprintf("PRAGMA mmap_size=%d; PRAGMA temp_store=MEMORY", s.opts.Map))
}

func (s *Store) openReader() (*conn, error) {
	c, err := openConn(s.path, readWrite, s.opts.layer)
	if err != nil {
		return nil, err
	}
	if err := s.setUp(c); err != nil {
		c.close()
		return nil, err
	}
	err = c.exec("PRAGMA query_only=1; PRAGMA cache_size=-512")
	if err == nil {
		err = c.mapMore(s.opts.Map)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	c.versions, c.strings = &s.versions, s.strings
	return c, nil
}

// enter starts a call; leave ends it.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("sqlite: %w", store.ErrClosed)
	}
	s.calls.Add(1)
	return nil
}

func (s *Store) leave() { s.calls.Done() }

// Close waits for the calls under way, searches that are being read included.
// A second Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.sweeper.stop()
	s.calls.Wait()
	s.writer.stop()
	s.release()
	return nil
}

// release frees what open took.
func (s *Store) release() {
	if s.readers != nil {
		s.readers.close()
	}
	if s.writer != nil {
		s.writer.release()
	}
	if s.lock != nil {
		if err := errors.Join(unlockFile(s.lock), s.lock.Close()); err != nil {
			s.opts.Log.Warn("the lock file could not be given back", "error", err)
		}
	}
}

// Ping reports whether the store can read and its file is still in its place.
func (s *Store) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.writer.failed(); err != nil {
		return err
	}
	if err := s.inPlace(); err != nil {
		return err
	}
	c, err := s.readers.get(ctx)
	if err != nil {
		return err
	}
	defer s.readers.put(c)
	_, err = c.number("SELECT count(*) FROM portico_collections")
	return err
}

// inPlace makes sure that what is written is what path names: SQLite goes on
// writing to files that were moved or deleted, and all of it would be lost.
func (s *Store) inPlace() error {
	now, err := os.Stat(s.path)
	if err != nil {
		return unavailable(s.path, err)
	}
	if !os.SameFile(now, s.file) {
		return fmt.Errorf("sqlite: %s: the file was replaced while in use; restart Portico: %w", s.path, store.ErrUnavailable)
	}
	return nil
}

func unavailable(path string, err error) error {
	return fmt.Errorf("sqlite: %s: %w: %w", path, store.ErrUnavailable, err)
}
