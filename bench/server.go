package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a child process that serves.
type server struct {
	cmd   *exec.Cmd
	base  string
	log   string        // the file with what it wrote
	ready time.Duration // from its start until it was ready
	ended chan error
	// metrics is the address where it tells its counters.
	metrics string
}

// workDir makes the directory for stores and files.
func workDir() (dir string, cleanup func(), err error) {
	dir, err = os.MkdirTemp("", "portico-bench-")
	if err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// longest is how long a server may take to start or to stop.
const longest = 60 * time.Second

// startServer starts this program as a server twice: once to fill its store
// with the demo clinic, and once, measured, to serve it.
func startServer(ctx context.Context, dir string) (*server, error) {
	args := []string{"--demo", "--store", "sqlite:" + filepath.Join(dir, "demo")}
	first, err := launch(ctx, dir, args...)
	if err != nil {
		return nil, err
	}
	if err := first.stop(); err != nil {
		return nil, err
	}
	return launch(ctx, dir, args...)
}

// launch starts a server with these arguments; dir is for its log. It tries again when somebody
// has taken one of the ports, which were free a moment before.
func launch(ctx context.Context, dir string, args ...string) (s *server, err error) {
	for range 3 {
		s, err = launchOnce(ctx, dir, args...)
		if err == nil || !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
			break
		}
	}
	return s, err
}

func launchOnce(ctx context.Context, dir string, args ...string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	metrics, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &server{metrics: metrics, base: "http://" + addr, log: filepath.Join(dir, "server.log"), ended: make(chan error, 1)}
	out, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }() // the child has its own
	args = append([]string{"serve", "--auth", "off", "--listen", addr, "--base-url", s.base, "--metrics-listen", metrics}, args...)
	s.cmd = exec.CommandContext(ctx, self, args...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = longest
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	if err := s.awaitReady(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not become ready: %w: %s", err, s.lastWords()), s.stop())
	}
	s.ready = time.Since(began)
	return s, nil
}

// freeAddress finds a loopback port that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// awaitReady asks until the server says that it is ready.
func (s *server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("it ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// lastWords gives the end of what the server wrote.
func (s *server) lastWords() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// stop ends the server gracefully, and roughly when that takes too long.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-s.ended:
		if err != nil {
			return fmt.Errorf("the server ended badly: %w: %s", err, s.lastWords())
		}
		return nil
	case <-time.After(longest):
		return errors.Join(errors.New("the server does not stop"), s.cmd.Process.Kill())
	}
}

// tick is the unit of CPU times in /proc, 1/100 s on every Linux (USER_HZ).
const tick = time.Second / 100

// cpu gives the CPU time that the server has used, with an accuracy of a
// tick; ok is false where there is no /proc.
func (s *server) cpu() (used time.Duration, ok bool) { return cpuOf(s.cmd.Process.Pid) }

func cpuOf(pid int) (time.Duration, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// The name stands in parentheses and may hold anything. Behind it come the
	// fields from the third on; utime is the 14th, stime the 15th (proc(5)).
	_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err1 == nil && err2 == nil
}

// memory gives the resident memory in MB, 0 where there is no /proc.
func (s *server) memory() float64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, _ := strconv.ParseFloat(fields[0], 64)
	return kb / 1000
}
