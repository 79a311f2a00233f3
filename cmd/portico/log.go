package main

import (
	"bufio"
	"io"
	"log/slog"
	"sync"
	"time"
)

// flushEvery is how long a log line may wait to be written.
const flushEvery = 200 * time.Millisecond

// logWriter collects log lines, so that not each of them costs a system call.
type logWriter struct {
	mu   sync.Mutex
	buf  *bufio.Writer
	stop chan struct{}
	done chan struct{}
}

// newLogger logs JSON lines to w. Close the logWriter to have all written.
func newLogger(w io.Writer, level slog.Level) (*slog.Logger, *logWriter) {
	l := &logWriter{buf: bufio.NewWriterSize(w, 32<<10), stop: make(chan struct{}), done: make(chan struct{})}
	go l.flush()
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: level})), l
}

// Write implements io.Writer.
func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// Close writes what is left.
func (l *logWriter) Close() error {
	close(l.stop)
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Flush()
}

func (l *logWriter) flush() {
	defer close(l.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.mu.Lock()
			_ = l.buf.Flush() // a log that cannot be written must not stop the server
			l.mu.Unlock()
		}
	}
}
