package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir/chartmap"
)

// chartTools are the subcommands of chart.
func chartTools() []tool {
	return []tool{
		{"lint", "FILE", lint},
		{"test", "--store … --chart FILE [--cases FILE]", testChart},
		{"explain", "'TYPE?…' | put|create|delete KEY [BODY]", explainChart},
		{"coverage", "PROFILE…", coverChart},
		{"doctor", "--store … --chart FILE", examineChart},
		{"infer", "--store … DATABASE.COLLECTION…", inferChart},
	}
}

type tool struct {
	name, synopsis string
	run            func(ctx context.Context, args []string, env func(string) string, std streams) error
}

func chart(ctx context.Context, args []string, env func(string) string, std streams) error {
	var names []string
	for _, t := range chartTools() {
		names = append(names, t.name)
		if len(args) > 0 && t.name == args[0] {
			return t.run(ctx, args[1:], env, std)
		}
	}
	if len(args) > 0 && slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		for _, t := range chartTools() {
			fmt.Fprintf(std.out, "portico chart %s %s\n", t.name, t.synopsis)
		}
		fmt.Fprintf(std.out, "\nEach explains its flags with -h.\n")
		return nil
	}
	return usageError{fmt.Errorf("say what to do with the chart map: %s", strings.Join(names, ", "))}
}

// lint prints all that is wrong with a chart map, as file:line:column: message.
// Warnings alone are no failure.
func lint(_ context.Context, args []string, _ func(string) string, std streams) error {
	var c Config
	f := newFlags("chart lint")
	f.StringVar(&c.Chart, "chart", "", "chart map `file`")
	f.BoolVar(&c.Demo, "demo", false, "check the chart map of the demo clinic")
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	switch {
	case f.NArg() == 1 && c.Chart == "":
		c.Chart = f.Arg(0)
	case f.NArg() > 0 || (c.Chart == "" && !c.Demo):
		return usageError{errors.New("chart lint: name one chart map")}
	}
	chart, err := loadChart(c)
	var found chartmap.Problems
	if errors.As(err, &found) {
		fmt.Fprintln(std.out, found)
		return errReported
	}
	if err != nil {
		return err
	}
	for _, w := range chart.Warnings {
		fmt.Fprintln(std.out, w)
	}
	fmt.Fprintln(std.out, "no problems")
	return nil
}
