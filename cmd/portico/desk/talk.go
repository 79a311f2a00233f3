package desk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Talk is the server's side of a conversation. Tell may be called at any time until the
// errand is done; Next, Payload and Answer are for one goroutine.
type Talk struct {
	conn   net.Conn
	in     *bufio.Reader // the listener's, and between Next and Answer the errand's
	cancel context.CancelCauseFunc

	questions chan question
	answered  chan struct{}
	deaf      chan struct{} // closed when no more is heard

	sending sync.Mutex
}

func newTalk(conn net.Conn, cancel context.CancelCauseFunc) *Talk {
	return &Talk{
		conn: conn, in: bufio.NewReaderSize(conn, 64<<10), cancel: cancel,
		questions: make(chan question), answered: make(chan struct{}), deaf: make(chan struct{}),
	}
}

func (t *Talk) close() { _ = t.conn.Close() }

// opening reads what is wanted.
func (t *Talk) opening() (o opening, err error) {
	_ = t.conn.SetReadDeadline(time.Now().Add(lineLimit))
	line, err := readLine(t.in)
	if err != nil {
		return o, err
	}
	_ = t.conn.SetReadDeadline(time.Time{})
	return o, json.Unmarshal(line, &o)
}

// listen hears further lines, and that the command has left; and says now and then that the
// server is still at it. The function that it gives ends that.
func (t *Talk) listen(ctx context.Context) (end func()) {
	var both sync.WaitGroup
	done := make(chan struct{})
	both.Go(func() { t.cancel(t.hear(ctx)) })
	both.Go(func() {
		tick := time.NewTicker(aliveEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				t.send(word{Kind: kindAlive})
			}
		}
	})
	return func() {
		close(done)
		t.cancel(nil)
		t.unblock()
		both.Wait()
	}
}

// hear gives why no more is heard.
func (t *Talk) hear(ctx context.Context) error {
	defer close(t.deaf)
	for {
		line, err := readLine(t.in)
		var q question
		if err == nil {
			err = decode(line, &q)
		}
		if err != nil || q.Size < 0 {
			return ErrLeft // or whoever it is talks nonsense
		}
		select {
		case t.questions <- q:
		case <-ctx.Done():
			return ErrLeft
		}
		select {
		case <-t.answered:
		case <-ctx.Done():
			return ErrLeft
		}
	}
}

// unblock ends waiting for what the command sends.
func (t *Talk) unblock() { _ = t.conn.SetReadDeadline(time.Unix(1, 0)) }

// Tell has the command show a line, or several, at once.
func (t *Talk) Tell(text string) { t.send(word{Kind: kindTell, Text: text}) }

// Next waits for a question, which is followed by size bytes that Payload reads. When
// there is none any more, the error is the cause of the context's end.
func (t *Talk) Next(ctx context.Context) (q json.RawMessage, size int64, err error) {
	select {
	case next := <-t.questions:
		return next.Question, next.Size, nil
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
}

// Payload reads what comes with the question that Next gave, once and wholly. The error is
// the cause of the context's end.
func (t *Talk) Payload(ctx context.Context, size int64) ([]byte, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(t.in, b); err != nil {
		t.cancel(ErrLeft)
		return nil, context.Cause(ctx)
	}
	return b, nil
}

// Answer answers the question that Next gave.
func (t *Talk) Answer(answer any) error {
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	t.send(word{Kind: kindAnswer, Answer: text})
	select {
	case t.answered <- struct{}{}:
	case <-t.deaf:
	}
	return nil
}

// end says the last word.
func (t *Talk) end(said string, err error) {
	w := word{Said: said}
	if err != nil {
		w = word{Refused: err.Error()}
		var refused *Refused
		if errors.As(err, &refused) {
			w.Usage = refused.Usage
		}
	}
	t.send(w) // it is done, whether or not somebody waits
}

// send sends a line. Who does not take it has left.
func (t *Talk) send(w word) {
	line, err := json.Marshal(w)
	if err != nil { // of strings and valid JSON: cannot be
		line = fmt.Appendf(nil, `{"refused":%q}`, "the answer cannot be told")
	}
	t.sending.Lock()
	defer t.sending.Unlock()
	_ = t.conn.SetWriteDeadline(time.Now().Add(lineLimit))
	if _, err := t.conn.Write(append(line, '\n')); err != nil {
		t.cancel(ErrLeft)
	}
}

// readLine reads a line of bounded length. The last may lack its end, if it is whole JSON.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && json.Valid(line):
			return line, nil
		default:
			return line, err
		}
	}
}

// decode reads JSON all of which must be known.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
