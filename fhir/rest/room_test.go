package rest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/internal/patience"
)

func TestSharesOfTheRoom(t *testing.T) {
	t.Parallel()
	m := newRoom(largePart * 10 << 20) // 10 MB of large bodies
	m.heap = 1 << 62
	a, b, small := share{room: m}, share{room: m}, share{room: m}
	for _, step := range []struct {
		share *share
		size  int64
		ok    bool
	}{
		{&a, 40 << 20, true}, // alone
		{&b, 1 << 20, false},
		{&small, smallBody, true},
		{&a, 50 << 20, true}, // still alone
		{&small, smallBody + 1, false},
	} {
		if err := step.share.hold(step.size); (err == nil) != step.ok {
			t.Errorf("%d bytes: %v", step.size, err)
		}
	}
	a.release()
	for range 2 { // holding what is held takes nothing
		if err := b.hold(9 << 20); err != nil {
			t.Error(err)
		}
	}
	if err := small.hold(2 << 20); err == nil || small.held != smallBody {
		t.Errorf("%v, and %d bytes are held", err, small.held)
	}
	b.release()
	if err := small.hold(2 << 20); err != nil {
		t.Error(err)
	}
	small.release()
	if m.small.used.Load() != 0 || m.large.used.Load() != 0 {
		t.Errorf("%d and %d bytes were not given back", m.small.used.Load(), m.large.used.Load())
	}
	m.heap = 0 // any heap is too large
	m.looked.Store(0)
	if err := a.hold(1); err == nil {
		t.Error("a full room takes something in")
	}
}

func TestWhatIsNoRequestWaitsForRoom(t *testing.T) {
	t.Parallel()
	s := &Server{Limits: Limits{Memory: 1 << 40}}
	s.limit()
	busy := share{room: s.room}
	if err := busy.hold(1 << 40); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancelCause(t.Context())
	left := errors.New("left")
	leave(left)
	if _, err := s.Room(ctx, 1<<20); !errors.Is(err, left) {
		t.Errorf("without room: %v", err)
	}
	got := make(chan error)
	go func() {
		release, err := s.Room(t.Context(), 1<<20)
		if err == nil {
			defer release()
		}
		got <- err
	}()
	busy.release()
	if err := <-got; err != nil {
		t.Error(err)
	}
	if !patience.Until(func() bool { return s.room.large.used.Load() == 0 }) {
		t.Errorf("%d bytes are not given back", s.room.large.used.Load())
	}
}

func TestPagesWaitTheirTurn(t *testing.T) {
	t.Parallel()
	m := newRoom(pagePart)
	m.heap = 1 << 62
	ctx, cancel := context.WithCancel(t.Context())
	err := m.page(ctx, func() error {
		began := time.Now()
		if err := m.page(ctx, func() error { return nil }); err == nil || time.Since(began) < pagePatience {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		cancel()
		return m.page(ctx, func() error { return nil })
	})
	if err != context.Canceled {
		t.Errorf("got %v", err)
	}
	if err := m.page(t.Context(), func() error { return nil }); err != nil {
		t.Errorf("when nobody is in the way: %v", err)
	}
}

func TestOneConnectionTooMany(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(s *Server) { s.Limits.Memory = 2 * connPart })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- e.Serve(ctx, ln) }()
	ask := func() (net.Conn, *http.Response) {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return conn, res
	}
	first, res := ask()
	if res.StatusCode != 200 {
		t.Fatalf("the first: %d", res.StatusCode)
	}
	second, _ := ask()
	defer second.Close()
	third, res := ask()
	defer third.Close()
	body := make([]byte, 200)
	n, _ := res.Body.Read(body)
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(string(body[:n]), "OperationOutcome") {
		t.Errorf("one too many: %v %s", res, body[:n])
	}
	first.Close()
	if !patience.Until(func() bool {
		conn, res := ask()
		conn.Close()
		return res.StatusCode == 200
	}) {
		t.Fatal("a connection that ended still counts")
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
