package chartmap

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one fault of a chart map, or a warning about it.
type Problem struct {
	File         string
	Line, Column int // from 1
	Warning      bool
	Message      string // what is wrong
	Fix          string // what to write instead; may be empty
}

// String gives "file:line:column: message. Fix".
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Warning {
		s += "warning: "
	}
	s += p.Message
	if p.Fix != "" {
		s += "; " + p.Fix
	}
	return s
}

// Problems are all faults of a chart map in the order of the file. It is the
// error that Load returns.
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong while a chart map is read.
type problems struct {
	file  string
	found Problems
}

func (ps *problems) add(n *yaml.Node, fix, format string, args ...any) {
	ps.found = append(ps.found, Problem{File: ps.file, Line: max(n.Line, 1), Column: max(n.Column, 1), Message: fmt.Sprintf(format, args...), Fix: fix})
}

func (ps *problems) warn(n *yaml.Node, fix, format string, args ...any) {
	ps.add(n, fix, format, args...)
	ps.found[len(ps.found)-1].Warning = true
}

// sorted gives the errors or the warnings by position, without repetitions: a
// rule that several maps share through an anchor is read more than once.
func (ps *problems) sorted(warnings bool) Problems {
	var out Problems
	for _, p := range ps.found {
		if p.Warning == warnings {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(out)
}
