package rest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portico-fhir/portico/internal/patience"
)

func TestDrain(t *testing.T) {
	t.Parallel()
	delay := make(chan struct{})
	e := newEnv(t, func(s *Server) {
		s.Limits.DrainDelay = time.Hour
		s.sleep = func(d time.Duration) {
			if d != time.Hour {
				t.Errorf("it waits %v", d)
			}
			<-delay
		}
	})
	var tasks atomic.Int64
	e.Tasks = append(e.Tasks, func(ctx context.Context) { tasks.Add(1); <-ctx.Done() })
	inside, leave := make(chan struct{}), make(chan struct{})
	e.fake.hook = func(context.Context) error { close(inside); <-leave; return nil }
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + ln.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- e.Serve(ctx, ln) }()

	answer := make(chan int, 1)
	go func() { answer <- get(t, base+"/fhir/Patient/1") }()
	<-inside
	stop()
	if !patience.Until(e.draining.Load) {
		t.Fatal("it does not stop")
	}
	if code := get(t, base+"/readyz"); code != 503 {
		t.Errorf("readyz while draining: %d", code)
	}
	close(delay)
	if !patience.Until(func() bool {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}) {
		t.Fatal("still accepts connections")
	}
	select {
	case err := <-served:
		t.Fatalf("stopped with a request under way: %v", err)
	default:
	}
	close(leave)
	if code := <-answer; code != 404 {
		t.Errorf("the request under way got %d", code)
	}
	if err := <-served; err != nil {
		t.Errorf("drain: %v", err)
	}
	if n := tasks.Load(); n != 1 {
		t.Errorf("a task was run %d times", n)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	e := newEnv(t, func(s *Server) { s.Metrics = m }).seed(t)
	e.do(t, "GET", "/fhir/Patient/1", "")
	e.do(t, "GET", "/fhir/Patient/x", "")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- m.Serve(ctx, ln) }()
	body := fetch(t, "http://"+ln.Addr().String()+"/metrics", 200)
	for _, want := range []string{
		`portico_http_requests_total{interaction="read",status="200"} 1`,
		`portico_http_requests_total{interaction="read",status="404"} 1`,
		`portico_http_request_seconds_count{interaction="read"} 2`,
		"portico_http_requests_in_flight 0", "go_goroutines ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// get gives the status, for use in any goroutine; 0 after an error.
func get(t *testing.T, url string) int {
	res, err := ask(url)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

func fetch(t *testing.T, url string, want int) string {
	t.Helper()
	res, err := ask(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		t.Fatalf("%s: %d %v", url, res.StatusCode, err)
	}
	return string(body)
}

func ask(url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}
