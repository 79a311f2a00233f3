package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/portico-fhir/portico/fhir/chartmap"
)

// chartLater are the subcommands of chart that this version does not have.
func chartLater() []string { return []string{"test", "explain", "coverage", "doctor"} }

func chart(ctx context.Context, args []string, env func(string) string, std streams) error {
	if len(args) > 0 && args[0] == "infer" {
		return inferChart(ctx, args[1:], env, std)
	}
	if len(args) > 0 && slices.Contains(chartLater(), args[0]) {
		return usageError{fmt.Errorf("chart %s is not available in this version", args[0])}
	}
	if len(args) == 0 || args[0] != "lint" {
		return usageError{errors.New("say what to do with the chart map: portico chart lint FILE, or portico chart infer COLLECTION...")}
	}
	return lint(args[1:], std)
}

// lint prints all that is wrong with a chart map, as file:line:column: message.
// Warnings alone are no failure.
func lint(args []string, std streams) error {
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
