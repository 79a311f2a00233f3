package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if len(os.Args) > 1 && os.Args[1] != "serve" {
		context.AfterFunc(ctx, stop) // who interrupts a command twice does not want to wait for how it ends
	}
	err := run(ctx, os.Args[1:], os.Getenv, streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(report(os.Stderr, err))
}

// streams are what the process reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError means that portico was called wrongly.
type usageError struct{ error }

// errReported means that everything was said already.
var errReported = errors.New("failed")

// report says what went wrong in one line and gives the exit code.
func report(w io.Writer, err error) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(w, "portico:", err)
		return 2
	case !errors.Is(err, errReported):
		fmt.Fprintln(w, "portico:", err)
	}
	return 1
}
