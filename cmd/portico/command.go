package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// command is a subcommand.
type command struct {
	name, synopsis, about string
	run                   func(ctx context.Context, args []string, env func(string) string, std streams) error
}

func commands() []command {
	return []command{
		{"serve", "[flags]", "answer FHIR requests; --demo needs nothing else", serve},
		{"load", "[flags] FILE|DIR|-", "bring in resources, Bundles and NDJSON, gzipped or not", loadFiles},
		{"chart", "lint|test|explain|coverage|doctor|infer|schema", "what a chart map makes of an EHR", chart},
		{"explain", "'TYPE?QUERY' [flags]", "say how the store answers a search", explainCommand},
		{"reindex", "[flags]", "make the index entries of records again, online", reindex},
		{"backup", "FILE [flags]", "copy an embedded store to a file, also while a server has it open", backup},
		{"purge", "--before TIME [flags]", "remove old versions of records for good", purgeVersions},
		{"review", "list|show|accept|reject", "decide about changes that wait for the clinic", reviews},
		{"user", "add|list|passwd|disable|enable", "administer the accounts of people", users},
		{"client", "add|list|remove", "administer registered apps", apps},
		{"keys", "rotate", "administer the keys that id tokens are signed with", keys},
		{"bench", "[gen] [flags]", "measure this machine; gen makes up records", benchmark},
		{"version", "", "say what this is", version},
	}
}

func run(ctx context.Context, args []string, env func(string) string, std streams) error {
	if len(args) == 0 {
		return usageError{fmt.Errorf("say what to do: %s. For all about it: portico help", names())}
	}
	name, rest := args[0], args[1:]
	if name == "help" || name == "-h" || name == "--help" || name == "-help" {
		help(std.out)
		return nil
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(ctx, rest, env, std)
		}
	}
	return usageError{fmt.Errorf("there is no subcommand %q. There are: %s", name, names())}
}

func names() string {
	var all []string
	for _, c := range commands() {
		all = append(all, c.name)
	}
	return strings.Join(all, ", ")
}

func help(w io.Writer) {
	fmt.Fprintf(w, "Portico serves an EHR as SMART on FHIR R4.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  portico %-8s %-38s %s\n", c.name, c.synopsis, c.about)
	}
	fmt.Fprintf(w, "\nEach explains its flags with -h. To try it: portico serve --demo\n")
}

// newFlags makes the flag set of a subcommand; parse errors come back as
// errors, in one line.
func newFlags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	return f
}

// parse reads the flags. When help was asked for it is printed, and help is true.
func parse(f *flag.FlagSet, args []string, out io.Writer) (help bool, err error) {
	err = f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		for _, c := range commands() {
			if name, _, _ := strings.Cut(f.Name(), " "); c.name == name {
				fmt.Fprintf(out, "portico %s %s: %s\n\n", c.name, c.synopsis, c.about)
			}
		}
		f.SetOutput(out)
		f.PrintDefaults()
		return true, nil
	}
	if err != nil {
		return false, usageError{fmt.Errorf("%s: %w. Flags are explained by: portico %s -h", f.Name(), err, f.Name())}
	}
	return false, nil
}
