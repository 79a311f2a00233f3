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
	"time"
)

// Call is a command's side of a conversation. Ask is safe for concurrent use; questions
// go one after the other.
type Call struct {
	conn net.Conn
	tell func(text string)

	asking  sync.Mutex
	answers chan json.RawMessage
	done    chan struct{} // closed when last and err are there
	last    word
	err     error // nothing more will be heard, and the last word was not
}

// Dial begins a conversation: what a server is to do. tell is given each line to show, one after
// the other. The error is ErrNobody when no server takes errands at the socket. Close ends it.
func Dial(ctx context.Context, path string, e Errand, tell func(text string)) (*Call, error) {
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
	c := &Call{conn: conn, tell: tell, answers: make(chan json.RawMessage), done: make(chan struct{})}
	line, err := json.Marshal(opening{Protocol, e})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	_ = conn.SetWriteDeadline(time.Now().Add(tellLimit))
	_, _ = conn.Write(append(line, '\n')) // a failure shows in what is heard
	_ = conn.SetWriteDeadline(time.Time{})
	go c.hear()
	return c, nil
}

// Close ends the conversation, whatever state it is in.
func (c *Call) Close() {
	_ = c.conn.Close()
	go func() { // an answer may be on its way that nobody waits for
		for {
			select {
			case <-c.answers:
			case <-c.done:
				return
			}
		}
	}()
	<-c.done
}

// hear takes what the server says until it has said its last.
func (c *Call) hear() {
	defer close(c.done)
	in := json.NewDecoder(bufio.NewReaderSize(c.conn, 16<<10))
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(silence))
		var w word
		if err := in.Decode(&w); err != nil {
			c.err = lost(err)
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

func lost(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: it has not been heard for %v", ErrLost, silence)
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
	_, _ = buffers.WriteTo(c.conn) // when it fails, the server has ended the conversation
	select {
	case text := <-c.answers:
		return json.Unmarshal(text, answer)
	case <-c.done:
		_, err := c.result()
		if err == nil {
			err = ErrLost // it had no reason to say more
		}
		return err
	}
}

// hurry gives the server only a little longer.
func (c *Call) hurry() {
	time.AfterFunc(tellLimit, func() { _ = c.conn.Close() })
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
