package mongotest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portico-fhir/portico/internal/patience"
)

// startOnce starts the server when the first test of the process asks. It is
// the process's and not a test's, since a start costs a second.
func startOnce(t testing.TB) string {
	t.Helper()
	s, err := started()
	if err != nil {
		t.Fatal(err)
	}
	return s.uri
}

// server is one that runs. It runs for as long as its input is held open.
type server struct {
	uri   string
	input io.Closer
}

var started = sync.OnceValues(func() (*server, error) { return start() })

// Standalone gives the URI of a server of the test's own that says it has
// neither replica set nor transactions. It is the test server even where a
// real one is named.
func Standalone(t testing.TB) string {
	t.Helper()
	s, err := start("--standalone")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.input.Close() })
	return s.uri
}

// The script runs the server until its standard input ends, which it does when
// the test process exits, however that ends; then it removes the data, so that
// the server need not end in order.
const script = `
"$0" --host 127.0.0.1 --port 0 --storage-path "$1/data" --cache-size 256M --log-level INFO $2 </dev/null 2>&1 &
pid=$!
trap '' INT TERM HUP
cat >/dev/null
kill -9 "$pid"
wait "$pid"
rm -rf "$1"
`

// start runs the installed server until it listens.
func start(flags ...string) (*server, error) {
	program, err := installed()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "portico-mongotest-")
	if err != nil {
		return nil, err
	}
	// The command outlives every test, so it has no context, and nobody waits
	// for it: it ends when this process does and its input with it.
	cmd := exec.Command("/bin/sh", "-c", script, program, dir, strings.Join(flags, " ")) //nolint:noctx // see above
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the MongoDB test server: %w", err)
	}
	uri, err := listening(out)
	return &server{uri: uri, input: in}, err
}

var listens = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)

// listening reads the server's log until it says where it listens, and goes
// on reading so that the server never blocks on a full pipe.
func listening(log io.Reader) (string, error) {
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			if m := listens.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
				break
			}
		}
		close(address)
		_, _ = io.Copy(io.Discard, log)
	}()
	select {
	case a, ok := <-address:
		if !ok {
			return "", errors.New("the MongoDB test server ended before it listened")
		}
		return "mongodb://" + a + "/", nil
	case <-time.After(patience.Limit):
		return "", fmt.Errorf("the MongoDB test server did not listen within %v", patience.Limit)
	}
}

// installed finds the server that scripts/test-mongodb.sh installed in the
// repository that the test runs in.
func installed() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		// The script, not go.mod, marks the root: nested modules have one, too.
		if _, err := os.Stat(filepath.Join(dir, "scripts", "test-mongodb.sh")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("mongotest: not inside Portico's repository")
		}
		dir = parent
	}
	program := filepath.Join(dir, ".cache", "secantus", "bin", "secantusd-py")
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("the MongoDB test server is not installed: run scripts/test-mongodb.sh "+
			"(or make test), or set %s to the URI of a MongoDB replica set", Env)
	}
	return program, nil
}
