package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// client sends requests to one FHIR base.
type client struct {
	base string
	http *http.Client
}

func newClient(base string, conns int) *client {
	return &client{base: base, http: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns, DisableCompression: true},
	}}
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// do sends one request below the base and gives the answer, which must have the
// wanted status.
func (c *client) do(ctx context.Context, method, path string, body []byte, want int, into *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	into.Reset()
	if _, err := io.Copy(into, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return err
	}
	if resp.StatusCode != want {
		return &statusError{fmt.Sprintf("%s %s: %s: %.500s", method, c.base+"/"+path, resp.Status, into)}
	}
	return nil
}

// statusError is an answer with another status than was wanted.
type statusError struct{ text string }

func (e *statusError) Error() string { return e.text }

// operation does one request, the i-th of its client, with a buffer that it may
// use as it likes.
type operation func(ctx context.Context, i int, buf *bytes.Buffer) error

// drive repeats an operation with several clients at once until the time or the
// number of operations is used up, and measures it after a short warm-up.
func drive(ctx context.Context, o options, clients int, cpu func() (time.Duration, bool), op operation) (row, error) {
	if _, _, err := spin(ctx, min(o.duration/10, 300*time.Millisecond), o.max, clients, 0, op); err != nil {
		return row{}, err
	}
	var before time.Duration
	measured := false
	if cpu != nil {
		before, measured = cpu()
	}
	lat, took, err := spin(ctx, o.duration, o.max, clients, 1<<40, op)
	if err != nil {
		return row{}, err
	}
	r := row{Clients: clients, Ops: len(lat), Rate: float64(len(lat)) / took.Seconds(), P50: percentile(lat, 50), P99: percentile(lat, 99)}
	if measured {
		if after, ok := cpu(); ok {
			r.CPU = float64((after - before).Microseconds()) / float64(len(lat))
		}
	}
	return r, nil
}

// spin runs the clients and gives their latencies in order of size. first is the
// number of the first operation. It does at least one operation.
func spin(ctx context.Context, d time.Duration, max, clients, first int, op operation) ([]time.Duration, time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		next atomic.Int64
		mu   sync.Mutex
		all  []time.Duration
		wg   sync.WaitGroup
	)
	start := time.Now()
	for range clients {
		wg.Go(func() {
			var own []time.Duration
			var buf bytes.Buffer
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= max || i > 0 && time.Since(start) >= d {
					break
				}
				began := time.Now()
				if err := op(ctx, first+i, &buf); err != nil {
					cancel(err)
					return
				}
				own = append(own, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
		})
	}
	wg.Wait()
	took := time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return nil, 0, err
	}
	slices.Sort(all)
	return all, took, nil
}

// percentile gives the p-th percentile of sorted latencies in µs.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := (len(sorted)*p + 99) / 100
	return float64(sorted[max(at, 1)-1].Nanoseconds()) / 1000
}
