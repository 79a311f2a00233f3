package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// maxTalks is how many commands are heard at a time; more wait until one has gone.
const maxTalks = 32

// Desk takes errands for a server. Its fields are set before Open.
type Desk struct {
	// Take carries out an errand and gives what to say about it. Its error is told, too: with a
	// *Refused in it, as wrong use where that says so. The context ends, with ErrLeft or ErrStopping as its
	// cause, when the command has left or the server is to stop. Calls overlap.
	Take func(ctx context.Context, e Errand, t *Talk) (said string, err error)
	Log  *slog.Logger
}

// Open begins to take errands at a socket. The function that it gives ends that: errands
// that heed their contexts are broken off, the others waited for. The directory of the socket is
// made, for this user only. The caller sees to it that no other process takes errands there:
// a socket that is there is left over.
func (d *Desk) Open(ctx context.Context, path string) (closeDesk func(), err error) {
	ln, err := listen(ctx, path)
	if err != nil {
		return nil, err
	}
	stopped := ctx
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unheed := context.AfterFunc(stopped, func() { cancel(ErrStopping) })
	var talks sync.WaitGroup
	talks.Go(func() {
		places := make(chan struct{}, maxTalks)
		for {
			places <- struct{}{}
			conn, err := ln.Accept()
			if err != nil {
				return // closed
			}
			talks.Go(func() {
				defer func() { <-places }()
				d.talk(ctx, conn)
			})
		}
	})
	return func() {
		_ = ln.Close()
		unheed()
		cancel(ErrStopping)
		talks.Wait()
	}, nil
}

// listen makes the socket.
func listen(ctx context.Context, path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil { // it may have been there
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}

// talk takes one errand.
func (d *Desk) talk(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := newTalk(conn, cancel)
	defer t.close()
	o, err := t.opening()
	if err != nil {
		return // nothing that could be answered
	}
	defer t.listen(ctx)()
	// Who reads does so no longer than it is of use.
	defer context.AfterFunc(ctx, t.unblock)()
	said, err := d.take(ctx, o, t)
	d.log(o.Errand, err)
	t.end(said, err)
}

func (d *Desk) take(ctx context.Context, o opening, t *Talk) (string, error) {
	if o.Protocol != Protocol {
		return "", fmt.Errorf("the server that has the store open is of another version: it hears commands of protocol %d, and this is %d. Use the portico that it was started with, or start it anew with this one", Protocol, o.Protocol)
	}
	return d.Take(ctx, o.Errand, t)
}

func (d *Desk) log(e Errand, err error) {
	attrs := []any{"what", e.Name, "by", e.By, "done", err == nil}
	if errors.Is(err, ErrLeft) || errors.Is(err, ErrStopping) {
		attrs = append(attrs, "cause", err.Error())
	}
	d.Log.Info("errand", attrs...)
}

// Decode reads what an errand is to be carried out with, or a question. What is not known is an error: it
// would be ignored.
func Decode(text json.RawMessage, into any) error {
	if err := decode(text, into); err != nil {
		return fmt.Errorf("the server that has the store open does not understand all that is wanted: it is another version (%w)", err)
	}
	return nil
}
