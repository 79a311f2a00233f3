package sqlite

import (
	"fmt"
	"runtime/debug"

	lib "modernc.org/sqlite/lib"
)

// stmt is a prepared statement with the C memory for its arguments.
type stmt struct {
	conn   *conn
	sql    string
	handle uintptr
	params []buffer
}

// buffer is C memory that grows with the arguments bound through it.
type buffer struct {
	p   uintptr
	cap int
}

// bufferKeep is how much argument memory a statement holds on to.
const bufferKeep = 1 << 16

// bind sets the arguments: []byte, string or int64.
func (s *stmt) bind(args ...any) error {
	for i, arg := range args {
		var err error
		switch v := arg.(type) {
		case []byte:
			err = s.bindBlob(i, v)
		case string:
			err = s.bindText(i, v)
		case int64:
			err = s.bindInt(i, v)
		default:
			err = fmt.Errorf("sqlite: argument of type %T", arg)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stmt) bindBlob(i int, v []byte) error {
	p, err := s.copyIn(i, len(v))
	if err != nil {
		return err
	}
	copy(memory(p, len(v)), v)
	return s.check(lib.Xsqlite3_bind_blob(s.conn.tls, s.handle, int32(i+1), p, int32(len(v)), lib.SQLITE_STATIC))
}

func (s *stmt) bindText(i int, v string) error {
	p, err := s.copyIn(i, len(v))
	if err != nil {
		return err
	}
	copy(memory(p, len(v)), v)
	return s.check(lib.Xsqlite3_bind_text(s.conn.tls, s.handle, int32(i+1), p, int32(len(v)), lib.SQLITE_STATIC))
}

func (s *stmt) bindInt(i int, v int64) error {
	return s.check(lib.Xsqlite3_bind_int64(s.conn.tls, s.handle, int32(i+1), v))
}

// copyIn gives n bytes of C memory that belong to parameter i.
func (s *stmt) copyIn(i, n int) (uintptr, error) {
	b := &s.params[i]
	if b.cap < n || b.p == 0 {
		lib.Xsqlite3_free(s.conn.tls, b.p)
		b.cap = max(64, n+n/2)
		b.p = lib.Xsqlite3_malloc64(s.conn.tls, uint64(b.cap))
		if b.p == 0 {
			b.cap = 0
			return 0, s.conn.fault(lib.SQLITE_NOMEM)
		}
	}
	return b.p, nil
}

// step advances to the next row and reports whether there is one.
func (s *stmt) step() (more bool, err error) {
	guard := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(guard)
		if p := recover(); p != nil {
			more, err = false, s.conn.brokenBy(p)
		}
	}()
	switch rc := lib.Xsqlite3_step(s.conn.tls, s.handle); rc {
	case lib.SQLITE_ROW:
		return true, nil
	case lib.SQLITE_DONE:
		return false, nil
	default:
		return false, s.conn.fault(rc)
	}
}

// reset ends a run of the statement, so that it can be bound and run again.
// Its error is the one that step returned.
func (s *stmt) reset() {
	if !s.conn.broken {
		lib.Xsqlite3_reset(s.conn.tls, s.handle)
	}
}

// release ends the run and gives the statement back to its connection.
func (s *stmt) release() {
	c := s.conn
	if c.broken {
		return
	}
	lib.Xsqlite3_reset(c.tls, s.handle)
	for i := range s.params {
		if b := &s.params[i]; b.cap > bufferKeep {
			lib.Xsqlite3_clear_bindings(c.tls, s.handle)
			lib.Xsqlite3_free(c.tls, b.p)
			*b = buffer{}
		}
	}
	c.idle[s.sql] = append(c.idle[s.sql], s)
}

// blob returns column i in SQLite's own memory, valid until the next step or
// reset. It must not be changed.
func (s *stmt) blob(i int) []byte {
	p := lib.Xsqlite3_column_blob(s.conn.tls, s.handle, int32(i))
	n := lib.Xsqlite3_column_bytes(s.conn.tls, s.handle, int32(i))
	if p == 0 || n == 0 {
		return nil
	}
	return memory(p, int(n))
}

// text returns a copy of column i.
func (s *stmt) text(i int) string { return string(s.blob(i)) }

func (s *stmt) int(i int) int64 {
	return lib.Xsqlite3_column_int64(s.conn.tls, s.handle, int32(i))
}

func (s *stmt) check(rc int32) error {
	if rc == lib.SQLITE_OK {
		return nil
	}
	return s.conn.fault(rc)
}

func (s *stmt) finalize() {
	s.conn.count--
	lib.Xsqlite3_finalize(s.conn.tls, s.handle)
	for _, b := range s.params {
		lib.Xsqlite3_free(s.conn.tls, b.p)
	}
}
