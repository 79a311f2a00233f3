package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/portico-fhir/portico/internal/patience"
)

// Build compiles the program into dir and gives the path of the binary.
func Build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "portico")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/portico-fhir/portico/cmd/portico").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return bin, nil
}

// lookAtSources reads the directories below that of go.mod: go test remembers what a test
// has opened, and so runs it again when the program has changed.
var lookAtSources = sync.OnceValue(func() error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			return errors.New("program: not inside Portico's repository")
		}
		root = filepath.Dir(root)
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		return err
	})
})

// Server is a running portico serve. It ends with the test that started it.
type Server struct {
	// Base is its FHIR base URL, known once it is ready.
	Base string

	cmd *exec.Cmd
	out io.Reader
}

// Start returns when the server is ready. It listens on a free loopback port; the
// flags are those of serve beside that.
func Start(t testing.TB, bin string, flags ...string) *Server {
	t.Helper()
	s := Begin(t, bin, flags...)
	if !s.AwaitReady() {
		t.Fatal("the program ended without saying where it serves")
	}
	return s
}

// Config writes a configuration file and gives the flag that names it. The settings come in
// pairs of a key, as docs/config.md has it, and a value in YAML. Nothing is given up for being
// slow but what they say: a slow machine is not what tests look for.
func Config(t testing.TB, settings ...string) []string {
	t.Helper()
	values := map[string]string{"store.timeout": "1m"} // a start asks the store no longer
	for _, name := range []string{"timeout", "header-timeout", "read-timeout", "write-timeout", "idle-timeout", "drain-timeout"} {
		values["http."+name] = patience.Limit.String()
	}
	for i := 0; i < len(settings); i += 2 {
		values[settings[i]] = settings[i+1]
	}
	var text strings.Builder
	last := ""
	for _, key := range slices.Sorted(maps.Keys(values)) {
		section, name, nested := strings.Cut(key, ".")
		if !nested {
			fmt.Fprintf(&text, "%s: %s\n", key, values[key])
			continue
		}
		if section != last {
			fmt.Fprintf(&text, "%s:\n", section)
			last = section
		}
		fmt.Fprintf(&text, "  %s: %s\n", name, values[key])
	}
	path := filepath.Join(t.TempDir(), "portico.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--config", path}
}

// Begin starts a server and does not wait for it. Flags without a configuration file get
// that of Config.
func Begin(t testing.TB, bin string, flags ...string) *Server {
	t.Helper()
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(flags, "--config") {
		flags = append(Config(t), flags...)
	}
	cmd := exec.Command(bin, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "error"}, flags...)...) //nolint:noctx // a cleanup ends it
	cmd.Stderr = testLog{t}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Server{cmd: cmd, out: out}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			s.Kill(t)
		}
	})
	return s
}

var baseLine = regexp.MustCompile(`FHIR R4 at (http://localhost:\d+/fhir)`)

// AwaitReady returns when a server that was begun answers, or has ended instead.
func (s *Server) AwaitReady() bool {
	lines := bufio.NewScanner(s.out)
	for s.Base == "" && lines.Scan() {
		if m := baseLine.FindStringSubmatch(lines.Text()); m != nil {
			s.Base = m[1]
		}
	}
	if s.Base != "" {
		go func() { _, _ = io.Copy(io.Discard, s.out) }()
	}
	return s.Base != ""
}

// Kill ends the process at once, as kill -9 does, and returns when it is gone.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait() // says that it was killed
}

// Stop asks the process to end, waits until it has, and wants it to end well.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.Terminate(t)
	s.AwaitEnd(t)
}

// Terminate asks the process to end and does not wait for it.
func (s *Server) Terminate(t testing.TB) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// AwaitEnd waits until the process has ended by itself, and wants it to end well.
func (s *Server) AwaitEnd(t testing.TB) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	case <-time.After(patience.Limit):
		t.Errorf("still runs %v after SIGTERM", patience.Limit)
		_ = s.cmd.Process.Kill()
		<-done
	}
}

// Peak gives the most memory that the process ever had resident, in bytes, mapped
// files included. Where no one tells, the test is skipped.
func (s *Server) Peak(t testing.TB) int {
	t.Helper()
	return s.status(t, "VmHWM")
}

// Watch follows how much memory of its own, without mapped files, the process has
// resident. The function that it gives ends that and tells the most, in bytes.
func (s *Server) Watch(t testing.TB) (stop func() int) {
	t.Helper()
	peak := s.status(t, "RssAnon")
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				if s.cmd.ProcessState == nil {
					peak = max(peak, s.status(t, "RssAnon"))
				}
			}
		}
	}()
	return func() int {
		close(done)
		<-ended
		return peak
	}
}

// status reads a size in bytes from what the system says about the process.
func (s *Server) status(t testing.TB, name string) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("only Linux tells")
	}
	m := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Errorf("the status of the process has no %s (%v)", name, err)
		return 0
	}
	kB, _ := strconv.Atoi(string(m[1]))
	return kB << 10
}

// testLog shows what the process logs beside the test's own messages.
type testLog struct{ t testing.TB }

// Write implements io.Writer.
func (l testLog) Write(p []byte) (int, error) {
	_, _ = l.t.Output().Write(p) // the log of a test takes everything
	return len(p), nil
}
