package rest

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// How Limits.Memory is shared out. What is made of a body while it is checked,
// indexed and written takes several times its size; what is read and sent, and the
// store itself, need their part.
const (
	heapPart  = 2  // nothing more is taken in while more than 1/heapPart of it is in use
	largePart = 32 // 1/largePart for the bodies that are under way
	smallPart = 64 // and 1/smallPart for small ones, which large ones do not keep out
	smallBody = 64 << 10
	connPart  = 256 << 10 // for each connection: its header, buffers and stack
	pagePart  = 64 << 20  // for each answer that is being put together
)

// pagePatience is how long an answer waits until fewer others are put together.
const pagePatience = time.Second

// lookEvery is how often the heap is looked at.
const lookEvery = 5 * time.Millisecond

// room is what all requests together may hold in memory.
type room struct {
	heap         uint64 // bytes in use from which on nothing more is taken in
	small, large pool
	pages        chan struct{} // has a place for each answer that is being put together

	looked     atomic.Int64 // when the heap was looked at last: ns since 1970
	isFull     atomic.Bool
	collecting atomic.Bool
}

func newRoom(memory int64) *room {
	return &room{
		heap:  uint64(memory / heapPart),
		small: pool{size: memory / smallPart},
		large: pool{size: memory / largePart},
		pages: make(chan struct{}, max(memory/pagePart, 1)),
	}
}

// pool is a number of bytes to take from.
type pool struct {
	size int64
	used atomic.Int64
}

// take takes so many bytes more, if there are as many, for one that has then total.
// Who is alone always gets what it asks for.
func (p *pool) take(more, total int64) bool {
	if used := p.used.Add(more); used > p.size && used > total {
		p.used.Add(-more)
		return false
	}
	return true
}

// full reports whether so much of the heap is in use that requests are better told to
// come back.
func (m *room) full() bool {
	now, last := time.Now().UnixNano(), m.looked.Load()
	if now-last >= int64(lookEvery) && m.looked.CompareAndSwap(last, now) {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		full := sample[0].Value.Uint64() > m.heap
		m.isFull.Store(full)
		if full && m.collecting.CompareAndSwap(false, true) {
			// Much of it may be garbage, and who refuses everything makes too little of it
			// for the collector to start by itself.
			go func() {
				defer m.collecting.Store(false)
				runtime.GC()
			}()
		}
	}
	return m.isFull.Load()
}

// check is the error when the room is full.
func (m *room) check() error {
	if m.full() {
		return crowded()
	}
	return nil
}

// page carries out f, which reads what an answer consists of, when not too many others
// are being put together. It is an error when the room is full then, too: what was read
// would stay until the client has taken it.
func (m *room) page(ctx context.Context, f func() error) error {
	select {
	case m.pages <- struct{}{}:
	default:
		patience := time.NewTimer(pagePatience)
		defer patience.Stop()
		select {
		case m.pages <- struct{}{}:
		case <-patience.C:
			return crowded()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-m.pages }()
	if err := m.check(); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return m.check()
}

// waitForRoom is how often somebody who can wait looks whether there is room.
const waitForRoom = 20 * time.Millisecond

// Room waits until there is memory for size bytes of what is no request, and holds it until
// release is called. Requests do not wait for it: they go first. The error is the cause of the context's end.
func (s *Server) Room(ctx context.Context, size int64) (release func(), err error) {
	s.limit()
	held := share{room: s.room}
	for held.hold(size) != nil {
		timer := time.NewTimer(waitForRoom)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
	return held.release, nil
}

func crowded() error {
	return fhir.Errorf(fhir.CodeTransient, "", "The server has all that its memory can hold to do. Try again in a second.")
}

// share is what one request holds of the room. The zero value holds nothing, and of
// no room: its request is part of another, which holds it.
type share struct {
	room *room
	pool *pool
	held int64
}

// hold has the request hold size bytes in all.
func (h *share) hold(size int64) error {
	if h.room == nil || size <= h.held {
		return nil
	}
	pool, add := &h.room.large, size
	if size <= smallBody {
		pool = &h.room.small
	}
	if pool == h.pool {
		add -= h.held
	}
	if h.room.full() || !pool.take(add, size) {
		return crowded()
	}
	if pool != h.pool {
		h.release()
	}
	h.pool, h.held = pool, size
	return nil
}

// release gives back what the request holds.
func (h *share) release() {
	if h.pool != nil {
		h.pool.used.Add(-h.held)
	}
	h.pool, h.held = nil, 0
}
