package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"github.com/portico-fhir/portico/store"
)

// Bounds of a group and of the log before it is copied into the file.
const (
	groupCalls      = 512
	groupBytes      = 16 << 20
	checkpointPages = 16384

	idleTime = 500 * time.Millisecond // without writes, until the log is copied all the same
)

// writer is the one goroutine that changes the file.
type writer struct {
	store *Store
	conn  *conn
	queue chan *request
	done  chan struct{} // closed when the goroutine has ended

	logged  uintptr // C memory: pages in the log, set by SQLite at each commit
	ended   atomic.Pointer[error]
	commits atomic.Int64 // of groups, each one fsync
	applied atomic.Int64 // calls of Apply that were committed

	next   *recent  // conn.recent with what the transaction under way adds, if anything
	cat    *catalog // with what it adds
	packed packed   // those, as the transaction under way sees them
	edits  []*edits // of index entries, that it has yet to write
	spare  [][]edit // memory for more

	learner *learner
	learned [][]byte // strings that got a number in the transaction under way

	counters counters
	full     [][]byte // strings whose entries fill runs of the index that is being written

	place          run // that was read last
	fence, encoded []byte
	puts           []put
	merged         []row
}

// request is one call of Apply, or something else for the writer to do
// between two transactions (alone).
type request struct {
	ctx   context.Context
	ops   []store.Op
	ready []prepared // for each op
	alone func() error
	size  int
	taken atomic.Bool // by the writer, or by the caller who gave up
	reply chan error
	err   error
}

var replies = sync.Pool{New: func() any { return make(chan error, 1) }}

func newWriter(s *Store, c *conn) *writer {
	w := &writer{store: s, conn: c, queue: make(chan *request, s.opts.Queue), done: make(chan struct{}), learner: newLearner()}
	w.logged = lib.Xsqlite3_malloc(c.tls, 8)
	*(*int32)(pointer(w.logged)) = 0
	return w
}

// watchLog has SQLite say how long the log is, until something sets wal_autocheckpoint: they share a place.
func (w *writer) watchLog() {
	hook := *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, uintptr, uintptr, uintptr, int32) int32
	}{noteLog}))
	lib.Xsqlite3_wal_hook(w.conn.tls, w.conn.db, hook, w.logged)
}

// noteLog is called by SQLite after a commit.
func noteLog(_ *libc.TLS, cell, _, _ uintptr, pages int32) int32 {
	*(*int32)(pointer(cell)) = pages
	return lib.SQLITE_OK
}

// stop ends the goroutine after what is queued, and empties the log.
func (w *writer) stop() {
	close(w.queue)
	<-w.done
}

// release frees what newWriter took, and the connection.
func (w *writer) release() {
	lib.Xsqlite3_free(w.conn.tls, w.logged)
	w.conn.close()
}

// failed gives the error after which the writer refuses to go on.
func (w *writer) failed() error {
	if err := w.ended.Load(); err != nil {
		return *err
	}
	return nil
}

// do queues a request and waits for its end. Once the writer has taken it,
// the end of ctx no longer matters: the outcome must be known.
func (w *writer) do(r *request) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if err := w.failed(); err != nil {
		return err
	}
	r.reply = replies.Get().(chan error)
	select {
	case w.queue <- r:
	default:
		return fmt.Errorf("sqlite: %d writes are waiting: %w", cap(w.queue), store.ErrUnavailable)
	}
	select {
	case err := <-r.reply:
		replies.Put(r.reply)
		return err
	case <-r.ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return r.ctx.Err() // the writer will pass it over, and its channel is lost to the pool
		}
		err := <-r.reply
		replies.Put(r.reply)
		return err
	}
}

// alone has f change something in a transaction of its own, and waits for its end.
func (w *writer) alone(ctx context.Context, f func() error) error {
	return w.do(&request{ctx: ctx, alone: func() error { return w.transact(f) }})
}

func (w *writer) run() {
	defer close(w.done)
	group := make([]*request, 0, groupCalls)
	idle := time.NewTimer(idleTime)
	defer idle.Stop()
	for {
		select {
		case r, open := <-w.queue:
			if !open {
				w.tidy(func() bool { return false })
				w.shrink()
				return
			}
			for r != nil {
				group, r = w.group(group[:0], r)
				clear(group[:cap(group)])
				w.checkpoint(checkpointPages)
			}
			idle.Reset(idleTime)
		case <-idle.C:
			if !w.store.packing.Load() { // a load that waits for its input goes on soon
				w.tidy(func() bool { return len(w.queue) > 0 })
			}
		}
	}
}

// unusedShare is the part of the file that may be unused.
const unusedShare = 50

// tidyEdits is how many edits go into the runs in one transaction while nothing else is to do.
const tidyEdits = 1 << 14

// tidy carries out all edits that are kept and empties the log, when nothing else is to do: reads
// are faster from the file, which is mapped. It can be broken off. What fails is left as it is.
func (w *writer) tidy(busy func() bool) {
	for !w.tidied() && !busy() && w.failed() == nil {
		if err := w.carryOutSome(); err != nil {
			w.store.opts.Log.Warn("index entries could not be put in their places", "error", err)
			break
		}
	}
	w.checkpoint(1)
}

// carryOutSome carries out as many edits as one transaction should have when it has nothing else to do.
func (w *writer) carryOutSome() error {
	due := tidyEdits
	if w.store.packing.Load() {
		due = packedTidy
	}
	err := w.transact(func() error { return w.remember(batch{}, due, true) })
	if err == nil {
		w.checkpoint(checkpointPages)
	}
	return err
}

// shrink gives pages that are not in use back to the file system, when they are many: those of what was
// purged, and of edits that were in the log.
func (w *writer) shrink() {
	if w.failed() != nil || w.store.inPlace() != nil {
		return
	}
	pages, err := w.conn.pragmaInt("page_count")
	free := int64(0)
	if err == nil {
		free, err = w.conn.pragmaInt("freelist_count")
	}
	if err == nil && free > pages/unusedShare {
		err = w.conn.exec("PRAGMA incremental_vacuum")
		w.checkpoint(1)
	}
	if err != nil {
		w.store.opts.Log.Warn("the file could not be made smaller", "error", err)
	}
}

// group carries out r and what is queued behind it in one transaction and
// answers them all. It returns the request that it met and that wants to be
// alone, if any.
func (w *writer) group(group []*request, r *request) (_ []*request, next *request) {
	if r.alone != nil {
		if r.taken.CompareAndSwap(false, true) {
			r.reply <- r.alone()
		}
		return group, nil
	}
	err := w.transact(func() error {
		wrote, size := false, 0
		for r != nil && r.alone == nil {
			if r.taken.CompareAndSwap(false, true) {
				group = append(group, r)
				r.err = w.apply(r)
				if lost(r.err) {
					return r.err
				}
				wrote = wrote || r.err == nil
				size += r.size
			}
			r = nil
			if len(group) < groupCalls && size < groupBytes {
				r = w.another()
			}
		}
		next = r
		if !wrote {
			return errNothing
		}
		return w.flushAll()
	})
	for _, r := range group {
		if err != nil && !errors.Is(err, errNothing) {
			r.err = err
		}
		if r.err == nil {
			w.applied.Add(1)
		}
		r.reply <- r.err
	}
	return group, next
}

// another gives the next request, nil when none is waiting. Before it says so it lets others
// run that are ready to: when many write at once, some of them are about to ask, and share this commit
// instead of having one of their own. With nobody else at work that takes no time.
func (w *writer) another() *request {
	if len(w.queue) == 0 {
		runtime.Gosched()
	}
	select {
	case r := <-w.queue: // nil once it is closed
		return r
	default:
		return nil
	}
}

// errNothing ends a transaction in which nothing succeeded.
var errNothing = errors.New("sqlite: nothing to commit")

// lost reports whether err ended the transaction, not just one request.
func lost(err error) bool {
	var f *Fault
	return errors.Is(err, errHalf) || errors.As(err, &f) && f.full()
}

// transact runs f in a transaction and commits it, or undoes it when f fails.
// What it returns is the truth: with nil the change is on the disk.
func (w *writer) transact(f func() error) error {
	if err := w.failed(); err != nil {
		return err
	}
	w.spareAll()
	w.cat, w.next, w.puts, w.learned = w.store.catalog.Load(), nil, nil, nil
	packed := w.packed
	if err := w.conn.run("BEGIN IMMEDIATE"); err != nil {
		return w.noted(err)
	}
	err := w.loadCounters()
	if err == nil {
		err = f()
	}
	if err == nil {
		err = w.store.inPlace()
	}
	if err == nil {
		err = w.conn.run("COMMIT")
	}
	if err == nil {
		w.commits.Add(1)
		w.store.catalog.Store(w.cat)
		if w.learned != nil {
			w.store.strings.add(w.learned)
		}
		if w.next != nil {
			w.conn.recent = w.next
		}
		return nil
	}
	w.counters = nil // it may have made some
	w.next, w.packed = nil, w.packed.undone(packed)
	if !w.conn.broken && w.conn.inTransaction() {
		if undo := w.conn.run("ROLLBACK"); undo != nil {
			w.end(undo)
		}
	}
	return w.noted(err)
}

// noted ends the writer when its connection is unusable.
func (w *writer) noted(err error) error {
	if w.conn.broken {
		w.end(err)
	}
	return err
}

func (w *writer) end(err error) {
	err = fmt.Errorf("%w: nothing can be written until a restart: %w", store.ErrUnavailable, err)
	w.ended.Store(&err)
	w.store.opts.Log.Error("the store's writer has ended", "error", err)
}

// checkpoint copies the log into the file once it has that many pages. That
// it fails loses nothing: the log stays, and the next one tries again.
func (w *writer) checkpoint(pages int32) {
	if w.conn.broken || w.failed() != nil || *(*int32)(pointer(w.logged)) < pages {
		return
	}
	if w.store.inPlace() != nil {
		return
	}
	if err := w.conn.run("PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		w.store.opts.Log.Warn("the log could not be copied into the file", "error", err)
		return
	}
	*(*int32)(pointer(w.logged)) = 0
}

// Apply implements store.Store. Calls that wait together share one commit.
// ErrUnavailable when too many wait.
func (s *Store) Apply(ctx context.Context, ops []store.Op) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	r := &request{ctx: ctx, ops: ops}
	for i, op := range ops {
		if err := op.Validate(); err != nil {
			return &store.OpError{Index: i, Err: err}
		}
		r.size += len(op.Doc)
		for _, f := range op.Set {
			r.size += len(f.Value.Value)
		}
	}
	if len(ops) == 0 {
		return ctx.Err()
	}
	r.ready = s.prepare(ops)
	return s.writer.do(r)
}
