//go:build unix

package sqlite

import (
	"fmt"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// The file layer is SQLite's "unix-excl", for files that one process has for
// itself: it takes the lock on the file once and keeps the index of the log on
// the heap, so that a read needs no system call for locking.
//
// On top of it writes to the log are gathered. SQLite writes a commit as two
// small pieces for each page, one after another in the file; here they become
// one large write. Nothing else changes: what was gathered is written before
// the log is synced, read, cut or closed, and SQLite tells readers of a commit
// only after the sync.

// vfsName is the name of the layer, once registerVFS has made it known.
const vfsName = "portico"

// registerVFS makes the layer known to SQLite, which keeps one list of them
// for the process.
var registerVFS = sync.OnceValue(func() error { return registerLayer(vfsName, "unix-excl") })

// registerLayer makes the layer known by a name, on top of another.
func registerLayer(layerName, baseName string) error {
	tls := libc.NewTLS()
	defer tls.Close()
	if rc := lib.Xsqlite3_initialize(tls); rc != lib.SQLITE_OK {
		return fmt.Errorf("sqlite: cannot be initialized (code %d)", rc)
	}
	name, err := libc.CString(baseName)
	if err != nil {
		return err
	}
	defer libc.Xfree(tls, name)
	base := lib.Xsqlite3_vfs_find(tls, name)
	if base == 0 {
		return fmt.Errorf("sqlite: there is no %s layer", baseName)
	}
	own, err := libc.CString(layerName)
	if err != nil {
		return err
	}
	p := lib.Xsqlite3_malloc(tls, int32(unsafe.Sizeof(layer{})))
	l := (*layer)(pointer(p))
	*l = layer{vfs: *(*lib.Tsqlite3_vfs)(pointer(base)), base: base}
	l.vfs.FzName = own
	l.vfs.FszOsFile += int32(unsafe.Sizeof(gathered{}))
	l.vfs.FxOpen = *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32
	}{openFile}))
	if rc := lib.Xsqlite3_vfs_register(tls, p, 0); rc != lib.SQLITE_OK {
		return fmt.Errorf("sqlite: the file layer is refused (code %d)", rc)
	}
	return nil
}

// mapMore has so many bytes of the file mapped, even if that is more than the 2 GB to which SQLite keeps, for
// the sake of machines with short addresses. What is not mapped costs a system call and a copy
// for each page.
func (c *conn) mapMore(bytes int64) error {
	if bytes <= lib.SQLITE_MAX_MMAP_SIZE || unsafe.Sizeof(uintptr(0)) < 8 {
		return nil
	}
	// It says anew how much is mapped when it opens the log, which it does for the first read.
	if _, err := c.pragmaInt("user_version"); err != nil {
		return err
	}
	f, err := c.unixFile()
	if err == nil {
		f.FmmapSizeMax = bytes
	}
	return err
}

// unixFile is what SQLite knows of the file.
func (c *conn) unixFile() (*lib.TunixFile, error) {
	name, err := c.cString("main")
	if err != nil {
		return nil, err
	}
	defer lib.Xsqlite3_free(c.tls, name)
	if rc := lib.Xsqlite3_file_control(c.tls, c.db, name, lib.SQLITE_FCNTL_FILE_POINTER, c.cell); rc != lib.SQLITE_OK {
		return nil, c.fault(rc)
	}
	return (*lib.TunixFile)(pointer(*(*uintptr)(pointer(c.cell)))), nil
}

// layer is the vfs in C memory, with what openFile needs.
type layer struct {
	vfs  lib.Tsqlite3_vfs
	base uintptr
}

// gathered lies behind SQLite's own part of a log's file, in C memory.
type gathered struct {
	base    uintptr                 // the methods of unix-excl
	methods lib.Tsqlite3_io_methods // ours
	buf     uintptr
	n       int32 // bytes in buf
	offset  int64 // where they belong
}

// gatherSize is the most that is written at once: unix-excl takes less than
// 128 kB.
const gatherSize = 120 << 10

// openFile opens any file of a database, and gathers the writes of a log.
func openFile(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	l := (*layer)(pointer(vfs))
	base := (*lib.Tsqlite3_vfs)(pointer(l.base))
	open := *(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{base.FxOpen}))
	rc := open(tls, l.base, name, file, flags, outFlags)
	f := (*lib.Tsqlite3_file)(pointer(file))
	if rc != lib.SQLITE_OK || flags&lib.SQLITE_OPEN_WAL == 0 || f.FpMethods == 0 {
		return rc
	}
	at := file + uintptr(base.FszOsFile)
	g := (*gathered)(pointer(at))
	*g = gathered{base: f.FpMethods, methods: *(*lib.Tsqlite3_io_methods)(pointer(f.FpMethods))}
	m := &g.methods
	m.FxClose = methodOf(closeLog)
	m.FxRead = dataMethodOf(readLog)
	m.FxWrite = dataMethodOf(writeLog)
	m.FxTruncate = *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, uintptr, int64) int32
	}{truncateLog}))
	m.FxSync = *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, uintptr, int32) int32
	}{syncLog}))
	m.FxFileSize = *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, uintptr, uintptr) int32
	}{sizeOfLog}))
	f.FpMethods = at + unsafe.Offsetof(g.methods)
	return rc
}

type (
	method     = func(*libc.TLS, uintptr) int32
	dataMethod = func(*libc.TLS, uintptr, uintptr, int32, int64) int32
)

func methodOf(f method) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f method }{f})) }

func dataMethodOf(f dataMethod) uintptr {
	return *(*uintptr)(unsafe.Pointer(&struct{ f dataMethod }{f}))
}

// of finds what is gathered for a file.
func of(file uintptr) *gathered {
	f := (*lib.Tsqlite3_file)(pointer(file))
	return (*gathered)(pointer(f.FpMethods - unsafe.Offsetof(gathered{}.methods)))
}

func (g *gathered) unix() *lib.Tsqlite3_io_methods {
	return (*lib.Tsqlite3_io_methods)(pointer(g.base))
}

// flush writes what was gathered. When that fails it is forgotten: SQLite
// then takes the commit back and writes to the same place again.
func (g *gathered) flush(tls *libc.TLS, file uintptr) int32 {
	if g.n == 0 {
		return lib.SQLITE_OK
	}
	n := g.n
	g.n = 0
	return g.write(tls, file, g.buf, n, g.offset)
}

func (g *gathered) write(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	write := *(*dataMethod)(unsafe.Pointer(&struct{ uintptr }{g.unix().FxWrite}))
	return write(tls, file, data, n, offset)
}

func writeLog(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	g := of(file)
	if g.n > 0 && (offset != g.offset+int64(g.n) || g.n+n > gatherSize) {
		if rc := g.flush(tls, file); rc != lib.SQLITE_OK {
			return rc
		}
	}
	if g.buf == 0 {
		g.buf = lib.Xsqlite3_malloc(tls, gatherSize)
	}
	if n > gatherSize || g.buf == 0 {
		return g.write(tls, file, data, n, offset)
	}
	if g.n == 0 {
		g.offset = offset
	}
	copy(memory(g.buf+uintptr(g.n), int(n)), memory(data, int(n)))
	g.n += n
	return lib.SQLITE_OK
}

func readLog(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	g := of(file)
	if rc := g.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	read := *(*dataMethod)(unsafe.Pointer(&struct{ uintptr }{g.unix().FxRead}))
	return read(tls, file, data, n, offset)
}

func truncateLog(tls *libc.TLS, file uintptr, size int64) int32 {
	g := of(file)
	if rc := g.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	truncate := *(*func(*libc.TLS, uintptr, int64) int32)(unsafe.Pointer(&struct{ uintptr }{g.unix().FxTruncate}))
	return truncate(tls, file, size)
}

func syncLog(tls *libc.TLS, file uintptr, flags int32) int32 {
	g := of(file)
	if rc := g.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	sync := *(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&struct{ uintptr }{g.unix().FxSync}))
	return sync(tls, file, flags)
}

func sizeOfLog(tls *libc.TLS, file, size uintptr) int32 {
	g := of(file)
	if rc := g.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	sizeOf := *(*func(*libc.TLS, uintptr, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{g.unix().FxFileSize}))
	return sizeOf(tls, file, size)
}

func closeLog(tls *libc.TLS, file uintptr) int32 {
	g := of(file)
	flushed := g.flush(tls, file)
	lib.Xsqlite3_free(tls, g.buf)
	g.buf = 0
	// unix-excl clears its part of the file, the pointer to the methods included.
	closed := *(*method)(unsafe.Pointer(&struct{ uintptr }{g.unix().FxClose}))
	if rc := closed(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return flushed
}
