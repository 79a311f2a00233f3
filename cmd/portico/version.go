package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// build is what is known about this binary.
type build struct {
	version  string
	revision string
	date     time.Time // of the revision, else of the file
}

func thisBuild() build {
	b := build{version: "(devel)"}
	modified := false
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			b.version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.revision = s.Value
			case "vcs.time":
				b.date, _ = time.Parse(time.RFC3339, s.Value)
			case "vcs.modified":
				modified = s.Value == "true"
			}
		}
	}
	if modified {
		b.revision += " with changes"
	}
	if exe, err := os.Executable(); err == nil && b.date.IsZero() {
		if file, err := os.Stat(exe); err == nil {
			b.date = file.ModTime().UTC()
		}
	}
	return b
}

func version(_ context.Context, args []string, _ func(string) string, std streams) error {
	f := newFlags("version")
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	b := thisBuild()
	fmt.Fprintf(std.out, "portico %s\n", b.version)
	if b.revision != "" {
		fmt.Fprintf(std.out, "revision %s of %s\n", b.revision, b.date.Format(time.DateOnly))
	}
	fmt.Fprintf(std.out, "%s %s/%s, FHIR 4.0.1\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
