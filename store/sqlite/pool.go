package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/portico-fhir/portico/store"
)

// pool hands out read connections. A search holds one only while it reads;
// one that streams more than its consumer takes at once holds it longer, so
// there may be many: idle ones are kept up to keep, all together up to limit.
type pool struct {
	open  func() (*conn, error)
	keep  int
	slots chan struct{} // one for each connection in use
	wait  time.Duration // for a slot

	mu     sync.Mutex
	idle   []*conn
	closed bool
}

func newPool(keep, limit int, wait time.Duration, open func() (*conn, error)) *pool {
	return &pool{open: open, keep: keep, slots: make(chan struct{}, limit), wait: wait}
}

// get gives a connection, which put takes back.
func (p *pool) get(ctx context.Context) (*conn, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		if err := p.await(ctx); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := p.open()
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

func (p *pool) await(ctx context.Context) error {
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("sqlite: %d searches at once are too many: %w", cap(p.slots), store.ErrUnavailable)
	}
}

// put takes a connection back. It must have no statement under way.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	keep := !p.closed && !c.broken && len(p.idle) < p.keep
	if keep {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		c.close()
	}
	<-p.slots
}

// close closes the idle connections; those in use are closed by put.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}
