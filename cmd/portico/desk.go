package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portico-fhir/portico/store"
)

// desk is where a server with an embedded store takes errands, since no other process can
// open the store: a socket in a directory that only the user can enter who runs the
// server. Whoever gets there may do what could be done to the files as well.
type desk struct {
	store store.Store
	log   *slog.Logger
}

// desk is the path of the socket; empty where there is none, since the store can be opened
// by many.
func (c StoreConfig) desk() string {
	dir, embedded := strings.CutPrefix(string(c.URI), "sqlite:")
	if !embedded {
		return ""
	}
	return filepath.Join(dir, "desk", "socket")
}

// Bounds on an errand.
const (
	maxErrand     = 2 << 20 // bytes
	errandTimeout = time.Minute
	tellTimeout   = 10 * time.Second // for saying what is wanted, and for hearing the answer
)

// errNobodyThere means that no server takes errands.
var errNobodyThere = errors.New("no server answers")

// open begins to take errands. The function that it gives ends that, and waits for the
// one that is being done.
func (d *desk) open(ctx context.Context, path string) (closeDesk func()) {
	if path == "" {
		return func() {}
	}
	ln, err := listenDesk(ctx, path)
	if err != nil {
		d.log.Warn("while this runs, portico user, client and keys do not work: the socket for them cannot be made", "path", path, "cause", err.Error())
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // closed
			}
			d.serve(context.WithoutCancel(ctx), conn) // one after the other: they are few
		}
	}()
	return func() {
		_ = ln.Close()
		<-done
	}
}

// listenDesk makes the socket. The store is locked by this process, so that one which is
// there is left over from a process that died.
func listenDesk(ctx context.Context, path string) (net.Listener, error) {
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

// serve takes one errand.
func (d *desk) serve(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, errandTimeout)
	defer cancel()
	var a wanted
	_ = conn.SetDeadline(time.Now().Add(tellTimeout))
	if err := json.NewDecoder(io.LimitReader(conn, maxErrand)).Decode(&a); err != nil {
		return // nothing that could be answered
	}
	r := d.take(ctx, a)
	d.log.Info("errand", "what", a.Errand, "done", r.Refused == "")
	_ = conn.SetDeadline(time.Now().Add(tellTimeout))
	_ = json.NewEncoder(conn).Encode(r) // it is done, whether or not somebody waits
}

func (d *desk) take(ctx context.Context, a wanted) reply {
	e := newErrand(a.Errand)
	if e == nil {
		return reply{Refused: fmt.Sprintf("the server that has the store open does not know %q: it is another version", a.Errand)}
	}
	err := json.Unmarshal(a.With, e)
	var said string
	if err == nil {
		said, err = e.carryOut(ctx, d.store)
	}
	if err != nil {
		var usage usageError
		return reply{Refused: err.Error(), Usage: errors.As(err, &usage)}
	}
	return reply{Said: said}
}

// sendTo has a server carry out an errand. The error is errNobodyThere when there is none.
func sendTo(ctx context.Context, path, name string, e errand) (string, error) {
	if path == "" {
		return "", errNobodyThere
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return "", fmt.Errorf("the server that has the store open is another user's: run this as that user (%w)", plainCause(err))
		}
		return "", errNobodyThere
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, errandTimeout+2*tellTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	with, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	var r reply
	if err = json.NewEncoder(conn).Encode(wanted{name, with}); err == nil {
		err = json.NewDecoder(conn).Decode(&r)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("the server that has the store open did not answer; whether it is done is not known: %w", err)
	case r.Usage:
		return "", usageError{errors.New(r.Refused)}
	case r.Refused != "":
		return "", errors.New(r.Refused)
	}
	return r.Said, nil
}
