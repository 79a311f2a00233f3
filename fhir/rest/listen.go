package rest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve answers on the listener until ctx ends, then drains: /readyz says no,
// after Limits.DrainDelay no connection is accepted any more, and requests
// under way get Limits.Drain to finish. It closes the listener. The error is nil
// after a clean drain.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	handler := s.Handler() // also fills in the limits
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: s.Limits.ReadHeader,
		ReadTimeout:       s.Limits.Read,
		WriteTimeout:      s.Limits.Write,
		IdleTimeout:       s.Limits.Idle,
		MaxHeaderBytes:    s.Limits.Header,
	}
	if s.Log != nil {
		srv.ErrorLog = slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn)
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.draining.Store(true)
	time.Sleep(s.Limits.DrainDelay)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Limits.Drain)
	defer cancel()
	err := srv.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(errors.New("requests were still under way when the time for draining was over"), srv.Close())
	}
	<-failed
	return err
}
