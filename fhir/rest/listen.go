package rest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// work starts the tasks; end ends them and waits for that.
func (s *Server) work(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	for _, task := range s.Tasks {
		working.Go(func() { task(ctx) })
	}
	return func() {
		cancel()
		working.Wait()
	}
}

// Serve answers on the listener until ctx ends, then drains: /readyz says no,
// after Limits.DrainDelay no connection is accepted any more, and requests
// under way get Limits.Drain to finish. Those that do not are broken off, with 503
// as their answer. It closes the listener. The error is nil when every request
// got its answer.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	handler := s.Handler() // also fills in the limits
	under, breakOff := context.WithCancelCause(context.WithoutCancel(ctx))
	defer breakOff(nil)
	crowd := newCrowd(ln, s.Limits.Memory/connPart)
	srv := &http.Server{
		ConnState:         crowd.state,
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return under },
		ReadHeaderTimeout: s.Limits.ReadHeader,
		ReadTimeout:       s.Limits.Read,
		WriteTimeout:      s.Limits.Write,
		IdleTimeout:       s.Limits.Idle,
		MaxHeaderBytes:    s.Limits.Header,
	}
	if s.Log != nil {
		srv.ErrorLog = slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn)
	}
	defer s.work(under)()
	defer s.serveJobs(ctx)()
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(crowd) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.draining.Store(true)
	s.sleep(s.Limits.DrainDelay)
	err := shutdown(srv, s.Limits.Drain)
	if errors.Is(err, context.DeadlineExceeded) {
		breakOff(errStopping)
		err = shutdown(srv, lastWords)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(errors.New("requests were still under way when the time for draining was over"), srv.Close())
	}
	<-failed
	return err
}
