package rest

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// Bounds of what is done for a connection that is one too many.
const (
	refusals   = 64 // at a time; more are closed without a word
	refuseTime = time.Second
)

// crowd counts the connections of a server, and refuses those that are too many.
type crowd struct {
	net.Listener
	most     int64
	open     atomic.Int64
	refusing atomic.Int64
	answer   []byte
}

// newCrowd bounds the connections that a listener gives. What state is told must
// be what http.Server.ConnState is.
func newCrowd(ln net.Listener, most int64) *crowd {
	body := appendOutcome(nil, fhir.Errorf(fhir.CodeTransient, "", "The server has too many connections. Try again in a second.").Issues)
	head := "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: " + mediaFHIR +
		"\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	return &crowd{Listener: ln, most: most, answer: append([]byte(head), body...)}
}

// state keeps count.
func (c *crowd) state(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		c.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		c.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil || c.open.Load() < c.most {
			return conn, err
		}
		if c.refusing.Add(1) > refusals {
			c.refusing.Add(-1)
			_ = conn.Close() // nothing was said that could be lost
			continue
		}
		go func() {
			defer c.refusing.Add(-1)
			c.refuse(conn)
		}()
	}
}

// refuse tells a client to come back. It reads what the client has to say, for a
// connection that is closed before that is broken off, answer included.
func (c *crowd) refuse(conn net.Conn) {
	defer func() { _ = conn.Close() }() // whoever is refused is not told of faults
	// So short an answer fits into the buffer of a new connection: nobody is waited for.
	if _, err := conn.Write(c.answer); err != nil || conn.SetDeadline(time.Now().Add(refuseTime)) != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, conn, smallBody)
	}
}
