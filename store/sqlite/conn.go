package sqlite

import (
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// conn is one SQLite connection and its prepared statements. It is used by one
// goroutine at a time; whoever holds it may pass it on.
//
// It speaks to the transpiled C interface directly: database/sql and the
// driver above it cost more than the reads themselves (a point read takes
// about a third of the time this way).
type conn struct {
	tls   *libc.TLS
	db    uintptr
	path  string
	idle  map[string][]*stmt // prepared and not in use, by SQL text
	count int                // of prepared statements
	cell  uintptr            // C memory for out parameters

	versions *versions // nil: it is not for reading
	snapped  bool      // a read transaction is under way
	recent   *recent   // as of the transaction under way

	elements elements // that a search looks at
	runs     []*run   // that nobody uses
	whole    elements // of a document that is put together
	strings  *numbered

	estimates estimates

	// broken is set when reading the mapped file faulted (the disk failed, or
	// somebody cut the file short). SQLite's state is then unknown: nothing
	// of the connection is touched again.
	broken bool
}

// maxStatements bounds the prepared statements of one connection.
const maxStatements = 256

// openMode says what a connection may do.
type openMode int32

const (
	readWrite openMode = lib.SQLITE_OPEN_READWRITE | lib.SQLITE_OPEN_CREATE
	readOnly  openMode = lib.SQLITE_OPEN_READONLY
)

// openConn opens the file at path through a file layer. The connection has no mutex of
// its own.
func openConn(path string, mode openMode, layer string) (*conn, error) {
	if err := registerVFS(); err != nil {
		return nil, err
	}
	c := &conn{tls: libc.NewTLS(), path: path, idle: make(map[string][]*stmt)}
	c.cell = lib.Xsqlite3_malloc(c.tls, 16)
	name, err := c.cString(path)
	if err != nil {
		c.close()
		return nil, err
	}
	defer lib.Xsqlite3_free(c.tls, name)
	vfs, err := c.cString(layer)
	if err != nil {
		c.close()
		return nil, err
	}
	defer lib.Xsqlite3_free(c.tls, vfs)

	flags := int32(mode) | lib.SQLITE_OPEN_NOMUTEX | lib.SQLITE_OPEN_EXRESCODE
	rc := lib.Xsqlite3_open_v2(c.tls, name, c.cell, flags, vfs)
	c.db = *(*uintptr)(pointer(c.cell))
	if rc != lib.SQLITE_OK {
		err := c.fault(rc)
		c.close()
		return nil, err
	}
	return c, nil
}

// close releases the connection and its idle statements. None may be in use.
func (c *conn) close() {
	if c.broken {
		return
	}
	c.forget()
	if c.db != 0 {
		lib.Xsqlite3_close_v2(c.tls, c.db)
		c.db = 0
	}
	if c.cell != 0 {
		lib.Xsqlite3_free(c.tls, c.cell)
		c.cell = 0
	}
	c.tls.Close()
}

// forget finalizes all idle statements.
func (c *conn) forget() {
	for _, list := range c.idle {
		for _, s := range list {
			s.finalize()
		}
	}
	clear(c.idle)
}

// prepare gives a statement for sql, prepared anew only when no idle one is
// kept. The caller releases it.
func (c *conn) prepare(sql string) (*stmt, error) {
	if list := c.idle[sql]; len(list) > 0 {
		s := list[len(list)-1]
		c.idle[sql] = list[:len(list)-1]
		return s, nil
	}
	if c.count >= maxStatements {
		c.forget()
	}
	text, err := c.cString(sql)
	if err != nil {
		return nil, err
	}
	defer lib.Xsqlite3_free(c.tls, text)
	rc := lib.Xsqlite3_prepare_v3(c.tls, c.db, text, int32(len(sql)), lib.SQLITE_PREPARE_PERSISTENT, c.cell, 0)
	if rc != lib.SQLITE_OK {
		return nil, c.fault(rc)
	}
	s := &stmt{conn: c, sql: sql, handle: *(*uintptr)(pointer(c.cell))}
	s.params = make([]buffer, lib.Xsqlite3_bind_parameter_count(c.tls, s.handle))
	c.count++
	return s, nil
}

// spareRun gives memory for a run, which keepRun takes back.
func (c *conn) spareRun() *run {
	n := len(c.runs)
	if n == 0 {
		return new(run)
	}
	r := c.runs[n-1]
	c.runs = c.runs[:n-1]
	return r
}

func (c *conn) keepRun(r *run) {
	const most, bytes = 16, 1 << 15
	if len(c.runs) < most && r != nil && cap(r.keys) <= bytes {
		c.runs = append(c.runs, r)
	}
}

// exec runs a statement that is used once or rarely and keeps nothing of it.
func (c *conn) exec(sql string) error {
	text, err := c.cString(sql)
	if err != nil {
		return err
	}
	defer lib.Xsqlite3_free(c.tls, text)
	if rc := lib.Xsqlite3_exec(c.tls, c.db, text, 0, 0, 0); rc != lib.SQLITE_OK {
		return c.fault(rc)
	}
	return nil
}

// run executes a prepared statement that returns no rows.
func (c *conn) run(sql string, args ...any) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	defer s.release()
	if err := s.bind(args...); err != nil {
		return err
	}
	for {
		more, err := s.step()
		if err != nil || !more {
			return err
		}
	}
}

// each calls f with every row of a query that has no arguments.
func (c *conn) each(sql string, f func(*stmt) error) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	defer s.release()
	for {
		more, err := s.step()
		if err != nil || !more {
			return err
		}
		if err := f(s); err != nil {
			return err
		}
	}
}

// number gives the first column of the only row of a query.
func (c *conn) number(sql string, args ...any) (int64, error) {
	s, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	defer s.release()
	if err := s.bind(args...); err != nil {
		return 0, err
	}
	if more, err := s.step(); err != nil || !more {
		return 0, err
	}
	return s.int(0), nil
}

// pragmaInt reads a pragma whose value is a number.
func (c *conn) pragmaInt(name string) (int64, error) { return c.number("PRAGMA " + name) }

// inTransaction reports whether a transaction is open. SQLite ends one by
// itself after some errors, a full disk among them.
func (c *conn) inTransaction() bool {
	return lib.Xsqlite3_get_autocommit(c.tls, c.db) == 0
}

// lastRowID returns the row id that the last insert made.
func (c *conn) lastRowID() int64 { return int64(lib.Xsqlite3_last_insert_rowid(c.tls, c.db)) }

// cString copies s into C memory, which the caller frees.
func (c *conn) cString(s string) (uintptr, error) {
	p := lib.Xsqlite3_malloc(c.tls, int32(len(s))+1)
	if p == 0 {
		return 0, c.fault(lib.SQLITE_NOMEM)
	}
	b := memory(p, len(s)+1)
	copy(b, s)
	b[len(s)] = 0
	return p, nil
}

// fault builds the error for a result code of this connection.
func (c *conn) fault(rc int32) error {
	f := &Fault{Code: int(rc), Path: c.path}
	if c.db != 0 {
		f.Message = libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db))
	} else {
		f.Message = libc.GoString(lib.Xsqlite3_errstr(c.tls, rc))
	}
	return f
}

// memory is n bytes of C memory at p.
func memory(p uintptr, n int) []byte { return unsafe.Slice((*byte)(pointer(p)), n) }

// pointer converts an address of C memory, which the garbage collector does
// not know. (A direct conversion is what vet warns of for Go memory.)
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }
