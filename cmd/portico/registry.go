package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/smart/account"
)

// deed is one of the things that a subcommand does.
type deed struct {
	name, synopsis string
	run            func(ctx context.Context, f *flag.FlagSet, args []string, env func(string) string, std streams) error
}

// do runs the deed that args begin with.
func do(ctx context.Context, command string, deeds []deed, args []string, env func(string) string, std streams) error {
	var names []string
	for _, d := range deeds {
		names = append(names, d.name)
	}
	if len(args) == 0 {
		return usageError{fmt.Errorf("%s: say what to do: %s", command, strings.Join(names, ", "))}
	}
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		for _, d := range deeds {
			fmt.Fprintf(std.out, "portico %s %s %s\n", command, d.name, d.synopsis)
		}
		fmt.Fprintf(std.out, "\nEach explains its flags with -h.\n")
		return nil
	}
	for _, d := range deeds {
		if d.name == args[0] {
			return d.run(ctx, newFlags(command+" "+d.name), args[1:], env, std)
		}
	}
	return usageError{fmt.Errorf("%s: there is no %q. There are: %s", command, args[0], strings.Join(names, ", "))}
}

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string { return strings.Join(*t, " ") }

// Set implements flag.Value.
func (t *texts) Set(s string) error { *t = append(*t, s); return nil }

// firstLine reads a secret that comes in.
func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 2*account.MaxPassword)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

// oneLine puts errors that were joined into one line.
func oneLine(err error) error {
	return fmt.Errorf("%w", errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")))
}
