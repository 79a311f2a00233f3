//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"github.com/portico-fhir/portico/store"
)

// disk is a disk of which the nth write, sync or cut fails, in a certain way.
type disk struct {
	mu       sync.Mutex
	n, calls int
	failed   bool
	code     int32 // of SQLite: what a failure says
	torn     bool  // a write that fails is done by half
	only     bool  // syncs count, and fail
	loading  bool  // the store is being loaded
}

// fails counts a call.
func (d *disk) fails(sync bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.only && !sync {
		return false
	}
	d.calls++
	d.failed = d.failed || d.calls == d.n
	return d.calls == d.n
}

// failing is what a file of a failing disk has: the disk, and the methods of
// the file itself.
type failing struct {
	*disk
	methods *lib.Tsqlite3_io_methods
}

var (
	failingDisks sync.Map // *disk, by the directory
	failingFiles sync.Map // failing, by the address of SQLite's file
)

// The names of the layer that fails, and of ours on top of it.
const (
	failingLayer   = "failing"
	layerOnFailing = "portico on failing"
)

var registerFailing = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	if err := registerVFS(); err != nil {
		return err
	}
	name, err := libc.CString("unix-excl")
	if err != nil {
		return err
	}
	base := lib.Xsqlite3_vfs_find(tls, name)
	own, err := libc.CString(failingLayer)
	if err != nil {
		return err
	}
	p := lib.Xsqlite3_malloc(tls, int32(unsafe.Sizeof(layer{})))
	l := (*layer)(pointer(p))
	*l = layer{vfs: *(*lib.Tsqlite3_vfs)(pointer(base)), base: base}
	l.vfs.FzName = own
	l.vfs.FxOpen = *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32
	}{openFailing}))
	if rc := lib.Xsqlite3_vfs_register(tls, p, 0); rc != lib.SQLITE_OK {
		return fmt.Errorf("register: code %d", rc)
	}
	return registerLayer(layerOnFailing, failingLayer)
})

func openFailing(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	l := (*layer)(pointer(vfs))
	base := (*lib.Tsqlite3_vfs)(pointer(l.base))
	open := *(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{base.FxOpen}))
	rc := open(tls, l.base, name, file, flags, outFlags)
	f := (*lib.Tsqlite3_file)(pointer(file))
	if rc != lib.SQLITE_OK || f.FpMethods == 0 || name == 0 {
		return rc
	}
	d, ok := failingDisks.Load(filepath.Dir(libc.GoString(name)))
	if !ok {
		return rc
	}
	at := lib.Xsqlite3_malloc(tls, int32(unsafe.Sizeof(lib.Tsqlite3_io_methods{}))) // stays: tests are short
	m := (*lib.Tsqlite3_io_methods)(pointer(at))
	*m = *(*lib.Tsqlite3_io_methods)(pointer(f.FpMethods))
	failingFiles.Store(file, failing{d.(*disk), (*lib.Tsqlite3_io_methods)(pointer(f.FpMethods))})
	m.FxWrite = dataMethodOf(writeFailing)
	m.FxSync = *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, uintptr, int32) int32
	}{syncFailing}))
	m.FxTruncate = *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, uintptr, int64) int32
	}{truncateFailing}))
	f.FpMethods = at
	return rc
}

func failingOf(file uintptr) failing {
	f, _ := failingFiles.Load(file)
	return f.(failing)
}

func writeFailing(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	f := failingOf(file)
	write := *(*dataMethod)(unsafe.Pointer(&struct{ uintptr }{f.methods.FxWrite}))
	if !f.fails(false) {
		return write(tls, file, data, n, offset)
	}
	if f.torn {
		_ = write(tls, file, data, n/2, offset)
	}
	return f.code
}

func syncFailing(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := failingOf(file)
	if f.fails(true) {
		return f.code
	}
	sync := *(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&struct{ uintptr }{f.methods.FxSync}))
	return sync(tls, file, flags)
}

func truncateFailing(tls *libc.TLS, file uintptr, size int64) int32 {
	f := failingOf(file)
	if f.fails(false) {
		return f.code
	}
	truncate := *(*func(*libc.TLS, uintptr, int64) int32)(unsafe.Pointer(&struct{ uintptr }{f.methods.FxTruncate}))
	return truncate(tls, file, size)
}

// TestWhicheverWriteToTheDiskFails fails the first, second, third … write, sync or cut
// of a file under a scenario until none fails. What was acknowledged is there and
// nothing else, while the store is open and after it was opened again.
func TestWhicheverWriteToTheDiskFails(t *testing.T) {
	t.Parallel()
	if err := registerFailing(); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]*disk{
		"P1 P2 a write fails":         {code: lib.SQLITE_IOERR_WRITE},
		"P1 P2 a write fails halfway": {code: lib.SQLITE_IOERR_WRITE, torn: true},
		"P1 P2 a sync fails":          {code: lib.SQLITE_IOERR_FSYNC, only: true},
		"P1 P2 the disk is full":      {code: lib.SQLITE_FULL},
		"P1 P2 a write of a load":     {code: lib.SQLITE_IOERR_WRITE, loading: true},
		"P1 P2 a sync of a load":      {code: lib.SQLITE_IOERR_FSYNC, only: true, loading: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stride := 1
			if testing.Short() {
				stride = 6
			}
			for n := 1; ; n += stride {
				try := &disk{n: n, code: d.code, torn: d.torn, only: d.only, loading: d.loading}
				onFailingDisk(t, try)
				if t.Failed() {
					t.Fatalf("when call %d fails", n)
				}
				if !try.failed {
					if n < 10/stride {
						t.Errorf("only %d calls", n)
					}
					return
				}
			}
		})
	}
}

// kept is what a store should have: the size of each document by its id.
type kept map[string]int

// diskSteps are calls of Apply.
func diskSteps(t *testing.T) [][]store.Op {
	put := func(id string, size int) store.Op { return insertOp(t, id, size) }
	replace := func(id string, size int) store.Op {
		return store.Op{Kind: store.Replace, Collection: "A", ID: store.V(id), Doc: document1(t, id, size)}
	}
	remove := func(id string) store.Op { return store.Op{Kind: store.Delete, Collection: "A", ID: store.V(id)} }
	return [][]store.Op{
		{put("a", 10)},
		{put("b", 3000), put("c", 9000), put("d", 10)},
		{replace("a", 5000), remove("d"), put("e", 100)},
		{replace("b", 10)},
		{remove("a"), put("f", 40_000)},
		{put("g", 10), replace("c", 20)},
		{remove("e"), remove("f")},
		{put("h", 200_000)},
	}
}

// after gives what is kept when ops are carried out; ok is false when they cannot be.
func (k kept) after(ops []store.Op) (next kept, ok bool) {
	next = maps.Clone(k)
	for _, op := range ops {
		id := idOf(op).StringValue()
		if _, there := next[id]; there == (op.Kind == store.Insert) {
			return nil, false
		}
		delete(next, id)
		if op.Kind != store.Delete {
			next[id] = len(op.Doc.Lookup("fill").StringValue())
		}
	}
	return next, true
}

func onFailingDisk(t *testing.T, d *disk) {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	indexed(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	failingDisks.Store(dir, d)
	defer failingDisks.Delete(dir)

	want := kept{}
	s, err = Open(dir, Options{layer: layerOnFailing, Recent: 300, Loading: d.loading})
	if err != nil && (!d.failed || !errors.Is(err, store.ErrUnavailable)) {
		t.Fatalf("open: %v", err)
	}
	if err == nil {
		for i, ops := range diskSteps(t) {
			next, possible := want.after(ops)
			if !possible { // since one before has failed
				continue
			}
			err := s.Apply(t.Context(), ops)
			switch {
			case err == nil:
				want = next
			case !d.failed || !errors.Is(err, store.ErrUnavailable):
				t.Errorf("step %d: %v", i, err)
			}
			if got := keptIn(t, s, !d.loading); !maps.Equal(got, want) {
				t.Errorf("behind step %d there is %v, want %v (%v)", i, got, want, err)
			}
		}
		if err := s.Close(); err != nil && !d.failed {
			t.Errorf("close: %v", err)
		}
	}
	failingDisks.Delete(dir)
	s, err = Open(dir, Options{})
	if err != nil {
		t.Fatalf("open again: %v", err)
	}
	defer s.Close()
	checkIntegrity(t, s)
	if got := keptIn(t, s, true); !maps.Equal(got, want) {
		t.Errorf("opened again there is %v, want %v", got, want)
	}
	if err := insertOne(t, s, "new", 10); err != nil {
		t.Error(err)
	}
}

// keptIn reads everything by the table and, if asked to, by the index, which must agree. To read
// by the index ends a load.
func keptIn(t *testing.T, s *Store, byIndex bool) kept {
	t.Helper()
	all := kept{}
	for doc, err := range s.Find(t.Context(), store.Query{Collection: "A"}) {
		if err != nil {
			t.Error(err)
			return nil
		}
		all[store.ID(doc).StringValue()] = len(doc.Lookup("fill").StringValue())
	}
	if !byIndex {
		return all
	}
	if by := idsOf2(t, s); len(by) != len(all) {
		t.Errorf("the index has %q, the table %q", by, slices.Sorted(maps.Keys(all)))
	}
	return all
}
