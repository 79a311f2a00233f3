package desk

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Call is a command's side of a conversation. Ask is safe for concurrent use; questions
// go one after the other.
type Call struct {
	conn  net.Conn
	tell  func(text string)
	waits patience

	asking  sync.Mutex
	asked   atomic.Bool          // and not answered
	answers chan json.RawMessage // has room for one
	done    chan struct{}        // closed when last and err are there
	last    word
	err     error // nothing more will be heard, and the last word was not
}

// Dial begins a conversation: what a server is to do. tell is given each line to show, one after
// the other. The error is ErrNobody when no server takes errands at the socket. Close ends it.
func Dial(ctx context.Context, path string, e Errand, tell func(text string)) (*Call, error) {
	return dial(ctx, path, e, tell, patience{silence: 5 * time.Minute, last: time.Minute})
}

func dial(ctx context.Context, path string, e Errand, tell func(text string), waits patience) (*Call, error) {
	if path == "" {
		return nil, ErrNobody
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, errors.New("the server that has the store open is another user's: run this as that user (permission denied)")
		}
		return nil, ErrNobody
	}
	c := &Call{conn: conn, tell: tell, waits: waits, answers: make(chan json.RawMessage, 1), done: make(chan struct{})}
	line, err := json.Marshal(opening{Protocol, e})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	_ = conn.SetWriteDeadline(time.Now().Add(lineLimit))
	_, _ = conn.Write(append(line, '\n')) // a failure shows in what is heard
	_ = conn.SetWriteDeadline(time.Time{})
	go c.hear()
	return c, nil
}

// Close ends the conversation, whatever state it is in.
func (c *Call) Close() {
	_ = c.conn.Close()
	<-c.done
}

// hear takes what the server says until it has said its last.
func (c *Call) hear() {
	defer close(c.done)
	in := json.NewDecoder(bufio.NewReaderSize(c.conn, 16<<10))
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(c.waits.silence))
		var w word
		err := in.Decode(&w)
		if err == nil && w.Kind == kindAnswer && !c.asked.CompareAndSwap(true, false) {
			err = errors.New("an answer to nothing")
		}
		if err != nil {
			c.err = c.lost(err)
			_ = c.conn.Close() // who sends is to fail, too
			return
		}
		switch w.Kind {
		case "":
			c.last = w
			return
		case kindTell:
			c.tell(w.Text)
		case kindAnswer:
			c.answers <- w.Answer
		}
	}
}

func (c *Call) lost(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: it has not been heard for %v", ErrLost, c.waits.silence)
	}
	return ErrLost
}

// Ask puts a question, with bytes that are no JSON, and reads the answer. When the context
// ends meanwhile, the answer is still waited for, for a while. The error is a *Refused when the
// server ends the conversation instead.
func (c *Call) Ask(ctx context.Context, q any, payload [][]byte, answer any) error {
	c.asking.Lock()
	defer c.asking.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	var size int64
	for _, p := range payload {
		size += int64(len(p))
	}
	line, err := json.Marshal(question{text, size})
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, c.hurry)()
	buffers := append(net.Buffers{append(line, '\n')}, payload...)
	c.asked.Store(true)
	_, _ = buffers.WriteTo(c.conn) // when it fails, the server has ended the conversation
	select {
	case text := <-c.answers:
		return json.Unmarshal(text, answer)
	case <-c.done:
	}
	select {
	case text := <-c.answers: // the end came right behind it
		return json.Unmarshal(text, answer)
	default:
	}
	if _, err = c.result(); err == nil {
		err = ErrLost // it had no reason to say more
	}
	return err
}

// hurry gives the server only a little longer.
func (c *Call) hurry() {
	time.AfterFunc(c.waits.last, func() { _ = c.conn.Close() })
}

// Result waits for what the server says in the end. When the context ends meanwhile, the server is asked
// to break off, and to say how far it has come.
func (c *Call) Result(ctx context.Context) (said string, err error) {
	defer context.AfterFunc(ctx, func() {
		c.Hang()
		c.hurry()
	})()
	<-c.done
	return c.result()
}

// Done is closed when nothing more will be heard: Result then gives the end at once.
func (c *Call) Done() <-chan struct{} { return c.done }

// Hang tells the server that nothing more will be asked, or that it is to break off.
func (c *Call) Hang() {
	if u, ok := c.conn.(*net.UnixConn); ok {
		_ = u.CloseWrite() // it fails when the server has left first
	}
}

func (c *Call) result() (string, error) {
	switch {
	case c.err != nil:
		return "", c.err
	case c.last.Refused != "":
		return "", &Refused{Text: c.last.Refused, Usage: c.last.Usage}
	}
	return c.last.Said, nil
}
