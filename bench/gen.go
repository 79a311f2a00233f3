package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/portico-fhir/portico/bench/records"
)

// maxCount bounds what portico bench gen writes: some terabytes.
const maxCount = 1_000_000_000

// generate runs portico bench gen.
func generate(ctx context.Context, args []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("portico bench gen", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	count := fs.Int("count", 10_000, "how many resources to write")
	seed := fs.Uint64("seed", 1, "other seeds give other records; the same seed and count give the same bytes")
	file := fs.String("o", "", "`FILE` to write NDJSON to; without it, to stdout")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(stdout)
			fs.Usage()
			return nil
		}
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("portico bench gen takes no argument %q", fs.Arg(0))
	}
	if *count < 1 || *count > maxCount {
		return fmt.Errorf("--count must be from 1 to %d", maxCount)
	}
	g := &records.Generator{Count: *count, Seed: *seed}
	if *file == "" {
		return g.Write(ctx, stdout)
	}
	return writeFile(ctx, g, *file)
}

// writeFile writes what g generates to a file of its own.
func writeFile(ctx context.Context, g *records.Generator, path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	return g.Write(ctx, f)
}
