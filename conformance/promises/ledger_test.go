package promises

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// fact is one version that the server acknowledged.
type fact struct {
	Key, Version string
	Token        string // what the version says; one write has one
	Deleted      bool   // the version is a delete marker
}

// ledger keeps what was acknowledged in a file, on the disk before the client goes on,
// and in memory what was attempted.
type ledger struct {
	path string
	mu   sync.Mutex
	file *os.File
	// attempts says how many versions each token makes, if it makes any.
	attempts map[string]int
	// answers counts what was written.
	answers atomic.Int64
}

func newLedger(t testing.TB) *ledger {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return &ledger{path: path, file: f, attempts: map[string]int{}}
}

// attempt makes the token of a write that is about to be sent and makes so many
// versions.
func (l *ledger) attempt(writer, versions int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	token := fmt.Sprintf("w%d-%d", writer, len(l.attempts))
	l.attempts[token] = versions
	return token
}

// write notes what one answer acknowledged.
func (l *ledger) write(t testing.TB, facts ...fact) {
	var lines []byte
	for _, f := range facts {
		line, err := json.Marshal(f)
		if err != nil {
			t.Error(err)
		}
		lines = append(append(lines, line...), '\n')
	}
	l.mu.Lock()
	_, err := l.file.Write(lines)
	l.mu.Unlock()
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		t.Error(err)
	}
	l.answers.Add(1)
}

// read gives all facts, in the order in which they were written.
func (l *ledger) read(t testing.TB) []fact {
	t.Helper()
	f, err := os.Open(l.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var facts []fact
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var one fact
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		facts = append(facts, one)
	}
	return facts
}
