package main

import (
	"context"

	"github.com/portico-fhir/portico/bench"
)

// benchmark measures the parts of a server on this machine.
func benchmark(ctx context.Context, args []string, _ func(string) string, std streams) error {
	return bench.Main(ctx, args, std.out)
}
