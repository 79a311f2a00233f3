package operation

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/fhir/subset"
)

// Bounds on the work of one $lastn.
const (
	maxScanned = 10_000 // Observations looked at
	maxLast    = 1000   // Observations in the answer
	scanPage   = 500
)

// lastN gives the latest Observations for each code (Observation-lastn).
func (o *Operations) lastN(ctx context.Context, c Call) (Result, error) {
	limit, params, err := lastParams(c.Params)
	if err != nil {
		return Result{}, err
	}
	req, err := o.Search.Parse("Observation", params, false, c.Caller)
	if err != nil {
		return Result{}, err
	}
	shape, err := subset.New(subset.Mode(req.Shape.Summary), req.Shape.Elements, "Observation")
	if err != nil {
		return Result{}, err
	}
	found := latest{limit: limit, groups: make(map[string]*group)}
	q := *req.Query
	q.Count = scanPage
	for scanned := 0; ; {
		page, err := o.Repository.Search(ctx, &q)
		if err != nil {
			return Result{}, err
		}
		if scanned += len(page.Resources); scanned > maxScanned {
			return Result{}, fhir.Errorf(fhir.CodeTooCostly, "http.query", "More than %d Observations would have to be compared. Narrow them by code, category or date.", maxScanned)
		}
		for _, res := range page.Resources {
			if err := found.add(res, o.Location); err != nil {
				return Result{}, err
			}
		}
		if page.Next == "" {
			break
		}
		q.Cursor = page.Next
	}
	all := found.sorted()
	if len(all) > maxLast {
		return Result{}, tooMany()
	}
	total := int64(len(all))
	used := slices.Concat(req.Used, []search.Pair{{Name: "max", Value: strconv.Itoa(limit)}})
	return Result{Page: fhir.Page{Resources: all, Total: &total}, Used: used, Shape: shape}, nil
}

// lastParams takes max out of the parameters, and refuses those that make no
// sense here, or lack.
func lastParams(params []search.Pair) (limit int, rest []search.Pair, err error) {
	limit = 1
	var subject, kind, seen bool
	for _, p := range params {
		name, _, _ := strings.Cut(p.Name, ":")
		name, _, _ = strings.Cut(name, ".")
		switch {
		case name == "max" && seen:
			return 0, nil, invalid("max", "max is given twice.")
		case name == "max":
			seen = true
			limit, err = strconv.Atoi(p.Value)
			if err != nil || limit < 1 || limit > maxLast {
				return 0, nil, invalid("max", "max must be a whole number from 1 to %d.", maxLast)
			}
			continue
		case slices.Contains([]string{"_count", "_sort", "_total", "_cursor", "_include", "_revinclude"}, name) || p.Name == "_summary" && p.Value == "count":
			return 0, nil, fhir.Errorf(fhir.CodeNotSupported, "http."+name, "$lastn does not take %s: it answers with all that it finds, newest first.", name)
		case name == "patient" || name == "subject":
			subject = true
		case name == "category" || strings.Contains(name, "code"):
			kind = true
		}
		rest = append(rest, p)
	}
	switch {
	case !subject:
		return 0, nil, fhir.Errorf(fhir.CodeInvalid, "http.query", "$lastn needs a patient or subject.")
	case !kind:
		return 0, nil, fhir.Errorf(fhir.CodeInvalid, "http.query", "$lastn needs a category or a code.")
	}
	return limit, rest, nil
}

// latest keeps the last Observations of each group of codes. Codes are the same
// group when one Observation has both (the equivalence is transitive).
type latest struct {
	limit  int
	groups map[string]*group // by code; several codes may share one
}

// group are Observations with codes that mean the same.
type group struct {
	codes []string
	last  []observation // newest first
}

type observation struct {
	fhir.Resource
	at time.Time // zero when it has no time
}

// newer orders Observations; the id decides between those of one time.
func (a observation) newer(b observation) int {
	if c := b.at.Compare(a.at); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// add puts an Observation into its group, joining those that its codes connect.
func (l *latest) add(res fhir.Resource, loc *time.Location) error {
	doc, err := path.NewDoc(res.Body, schema.Model{})
	if err != nil {
		return malformed(res.Key, err)
	}
	g := &group{codes: codes(doc.Root()), last: []observation{{res, effective(doc.Root(), loc)}}}
	for _, code := range slices.Clone(g.codes) {
		if old := l.groups[code]; old != nil && old != g {
			g.codes = append(g.codes, old.codes...)
			g.last = append(g.last, old.last...)
			for _, c := range old.codes {
				l.groups[c] = g
			}
		}
	}
	slices.Sort(g.codes)
	g.codes = slices.Compact(g.codes)
	for _, code := range g.codes {
		l.groups[code] = g
	}
	slices.SortFunc(g.last, observation.newer)
	if len(g.last) > l.limit {
		end := l.limit
		for end < len(g.last) && g.last[end].at.Equal(g.last[l.limit-1].at) {
			end++ // a tie
		}
		g.last = g.last[:end]
	}
	if len(g.last) > maxLast {
		return tooMany()
	}
	return nil
}

func tooMany() error {
	return fhir.Errorf(fhir.CodeTooCostly, "http.query", "The answer would have more than %d Observations. Narrow it by code, category or date.", maxLast)
}

// sorted gives what is left, newest first.
func (l *latest) sorted() []fhir.Resource {
	seen := make(map[*group]bool)
	var all []observation
	for _, g := range l.groups {
		if !seen[g] {
			seen[g] = true
			all = append(all, g.last...)
		}
	}
	slices.SortFunc(all, observation.newer)
	resources := make([]fhir.Resource, len(all))
	for i, o := range all {
		resources[i] = o.Resource
	}
	return resources
}

// codes gives what an Observation's code is compared by: its codings, or its
// text when it has none.
func codes(root path.Item) []string {
	var codes []string
	text := ""
	for code := range root.Children("code") {
		for coding := range code.Children("coding") {
			if c := first(coding, "code"); c != "" {
				codes = append(codes, "c"+first(coding, "system")+"|"+c)
			}
		}
		text = first(code, "text")
	}
	if codes == nil {
		codes = []string{"t" + text}
	}
	return codes
}

func first(it path.Item, name string) string {
	for child := range it.Children(name) {
		return child.String()
	}
	return ""
}

// effective is when an Observation was true: the end of a period, where it has
// one, and the last event of a timing.
func effective(root path.Item, loc *time.Location) time.Time {
	if loc == nil {
		loc = time.UTC
	}
	var last time.Time
	see := func(s string) bool {
		d, err := fhir.ParseDate(s)
		if err != nil {
			return false
		}
		if low, _ := d.Range(loc); low.After(last) {
			last = low
		}
		return true
	}
	for e := range root.Children("effective") {
		if end := first(e, "end"); see(end) || see(first(e, "start")) || see(e.String()) {
			continue
		}
		for event := range e.Children("event") {
			see(event.String())
		}
	}
	return last
}
