package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/portico-fhir/portico/fhir/chartmap"
)

// chart has the tools for the chart map.
func chart(ctx context.Context, args []string, env func(string) string, std streams) error {
	return do(ctx, "chart", []deed{
		{"lint", "FILE", lint},
		{"test", "--store … --chart FILE [--cases FILE]", testChart},
		{"explain", "'TYPE?…' | put|create|delete KEY [BODY]", explainChart},
		{"coverage", "PROFILE…", coverChart},
		{"doctor", "--store … --chart FILE", examineChart},
		{"infer", "--store … DATABASE.COLLECTION…", inferChart},
		{"schema", "", chartSchema},
	}, args, env, std)
}

// chartSchema prints the JSON Schema of chart maps.
func chartSchema(_ context.Context, f *flag.FlagSet, args []string, _ func(string) string, std streams) error {
	if help, err := parse(f, args, std.out); help || err != nil {
		return err
	}
	if f.NArg() > 0 {
		return usageError{fmt.Errorf("chart schema takes no arguments, but got %q", f.Arg(0))}
	}
	_, err := fmt.Fprint(std.out, chartmap.JSONSchema())
	return err
}

// lint prints all that is wrong with a chart map, as file:line:column: message.
// Warnings alone are no failure.
func lint(_ context.Context, f *flag.FlagSet, args []string, _ func(string) string, std streams) error {
	var c Config
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
