package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/portico-fhir/portico/cmd/portico/desk"
)

// errandTimeout bounds the errands that do not last.
const errandTimeout = time.Minute

// desk is the path of the socket at which a server with this store takes errands; empty
// where there is none, since the store can be opened by many.
func (c StoreConfig) desk() string {
	dir, embedded := strings.CutPrefix(string(c.URI), "sqlite:")
	if !embedded {
		return ""
	}
	return filepath.Join(dir, "desk", "socket")
}

// openDesk has a server take errands. The function that it gives ends that, and waits for those
// under way.
func openDesk(ctx context.Context, o office) (closeDesk func()) {
	path := o.config.Store.desk()
	if path == "" {
		return func() {}
	}
	d := &desk.Desk{Take: (&clerk{office: o, under: make(map[string]string)}).take, Log: o.log}
	closeDesk, err := d.Open(ctx, path)
	if err != nil {
		o.log.Warn("while this runs, no other portico command works on its store: the socket for them cannot be made", "path", path, "cause", err.Error())
		return func() {}
	}
	return closeDesk
}

// clerk carries out errands for the server whose store they are about.
type clerk struct {
	office office
	turn   sync.Mutex // errands that do not last are carried out one after the other: they are few

	mu    sync.Mutex
	under map[string]string // errands that last and are under way, and for whom since when
}

// take implements desk.Desk's Take.
func (c *clerk) take(ctx context.Context, w desk.Errand, t *desk.Talk) (said string, err error) {
	defer func() {
		var usage usageError
		if p := recover(); p != nil {
			err = errors.New("the server could not carry it out: a fault of its own")
			c.office.log.Error("an errand panicked", "what", w.Name, "cause", fmt.Sprint(p))
		} else if errors.As(err, &usage) {
			err = &desk.Refused{Text: err.Error(), Usage: true}
		}
	}()
	e := newErrand(w.Name)
	if e == nil {
		return "", fmt.Errorf("the server that has the store open does not know %q: it is another version", w.Name)
	}
	if err := desk.Decode(w.With, e); err != nil {
		return "", err
	}
	o := c.office
	o.talk, o.tell = t, t.Tell
	if e.lasts() {
		end, err := c.begin(w)
		if err != nil {
			return "", err
		}
		defer end()
		return e.carryOut(ctx, &o)
	}
	// It is done to its end, whether or not somebody waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), errandTimeout)
	defer cancel()
	c.turn.Lock()
	defer c.turn.Unlock()
	return e.carryOut(ctx, &o)
}

// begin notes that an errand that lasts is under way, unless another of its kind is.
func (c *clerk) begin(w desk.Errand) (end func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, busy := c.under[w.Name]; busy {
		return nil, fmt.Errorf("one is under way already, %s. Wait for it, or break it off where it was called", other)
	}
	c.under[w.Name] = fmt.Sprintf("since %s, by %s", time.Now().UTC().Format("2006-01-02 15:04:05 UTC"), w.By)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.under, w.Name)
	}, nil
}
