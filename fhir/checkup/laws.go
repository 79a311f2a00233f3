package checkup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/index"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
)

// Verdict says whether a map keeps its laws on a sample of the clinic's documents.
type Verdict struct {
	Types []TypeVerdict `json:"types"`
}

// TypeVerdict is that of one type.
type TypeVerdict struct {
	Type      fhir.Type `json:"type"`
	Resources int       `json:"resources"` // that were looked at
	Written   int       `json:"written"`   // that were written back, in thought
	Searches  int       `json:"searches"`  // that were compared with looking at each resource
	Breaches  []Breach  `json:"breaches"`
}

// Breach is a law that was not kept.
type Breach struct {
	Law    string `json:"law"`
	Where  string `json:"where"`  // a resource or a search parameter
	Detail string `json:"detail"` // without values
}

// The laws.
const (
	lawValid     = "a resource is valid R4"
	lawUnchanged = "writing back what was read changes nothing"
	lawSearch    = "a search finds what looking at every resource finds"
)

// maxBreaches bounds how many breaches of a type are listed.
const maxBreaches = 20

// Broken reports whether any law was not kept.
func (v *Verdict) Broken() bool {
	return slices.ContainsFunc(v.Types, func(t TypeVerdict) bool { return len(t.Breaches) > 0 })
}

// Laws holds the laws of the chart map on up to sample resources of each type. Nothing is
// written.
func Laws(ctx context.Context, repo *chartmap.Repository, sample int) (*Verdict, error) {
	v := new(Verdict)
	for _, t := range repo.Map.Types() {
		l := &laws{repo: repo, verdict: TypeVerdict{Type: t}}
		if err := l.hold(ctx, sample); err != nil {
			return nil, err
		}
		v.Types = append(v.Types, l.verdict)
	}
	return v, nil
}

// laws holds those of one type.
type laws struct {
	repo    *chartmap.Repository
	sample  []fhir.Resource
	whole   bool // the sample is all there is
	verdict TypeVerdict
}

func (l *laws) breach(law, where, detail string) {
	if len(l.verdict.Breaches) < maxBreaches {
		l.verdict.Breaches = append(l.verdict.Breaches, Breach{law, where, detail})
	}
}

func (l *laws) hold(ctx context.Context, sample int) error {
	l.whole = true
	for res, err := range resources(ctx, l.repo, l.verdict.Type, sample+1) {
		if err != nil {
			return err
		}
		if len(l.sample) == sample {
			l.whole = false
			break
		}
		l.sample = append(l.sample, res)
	}
	l.verdict.Resources = len(l.sample)
	for _, res := range l.sample {
		if _, err := (&schema.Validator{Base: l.repo.Base}).Validate(res.Body, res.Type); err != nil {
			l.breach(lawValid, res.Key.String(), locations(err))
		}
		if err := l.unchanged(ctx, res); err != nil {
			return err
		}
	}
	for _, p := range l.repo.Describe(l.verdict.Type).Params {
		if err := l.searched(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// locations names the elements of an error without quoting anything.
func locations(err error) string {
	var refusal *fhir.Error
	if !errors.As(err, &refusal) {
		return "it cannot be read"
	}
	var all []string
	for _, issue := range refusal.Issues {
		where := string(issue.Code)
		if issue.Path != "" {
			where += " at " + issue.Path
		}
		all = append(all, where)
	}
	return strings.Join(all, ", ")
}

// unchanged plans to write a resource back as it is.
func (l *laws) unchanged(ctx context.Context, res fhir.Resource) error {
	if !l.repo.Describe(res.Type).Update {
		return nil
	}
	change := []fhir.Change{{Method: fhir.Put, Key: res.Key, Body: res.Body}}
	prepared, err := l.repo.Prepare(ctx, change)
	if err == nil {
		plan, failed := prepared.Plan(ctx)
		switch {
		case failed == nil && len(plan.Ops) > 0:
			l.breach(lawUnchanged, res.Key.String(), "it would write "+strings.Join(fields(plan.Ops), ", "))
		case errors.Is(failed, chartmap.ErrReadOnly):
			return nil // this one's map is for reading only
		}
		err = failed
	}
	l.verdict.Written++
	var refusal *fhir.Error
	if errors.As(err, &refusal) {
		l.breach(lawUnchanged, res.Key.String(), "it is refused: "+locations(err))
		return nil
	}
	return err
}

// perParam is how many different values of a parameter are searched for.
const perParam = 4

// searched asks for some values that resources have, by the EHR's fields and by looking at
// each resource of the sample.
func (l *laws) searched(ctx context.Context, p *fhir.SearchParam) error {
	parser := &search.Parser{Base: l.repo.Base, Describe: l.repo.Describe, DefaultCount: page, MaxCount: page}
	for _, value := range l.values(p) {
		req, err := parser.Parse(l.verdict.Type, []search.Pair{{Name: p.Name, Value: value}}, false, "")
		if err != nil {
			continue // a value that cannot be asked for, such as one without a code
		}
		if err := l.compare(ctx, p, req.Query); err != nil {
			return err
		}
	}
	return nil
}

func (l *laws) compare(ctx context.Context, p *fhir.SearchParam, q *fhir.Query) error {
	now := time.Now()
	if l.repo.Now != nil {
		now = l.repo.Now()
	}
	m := &index.Matcher{Indexer: index.Indexer{Base: l.repo.Base, Location: l.repo.Map.Location}, Now: now}
	found := make(map[fhir.Key]bool)
	for more := true; more; {
		got, err := l.repo.Search(ctx, q)
		if err != nil {
			return err
		}
		for _, res := range got.Resources {
			found[res.Key] = true
			if ok, err := m.Match(res.Type, res.Body, q.Where); err != nil {
				return fmt.Errorf("match %s: %w", res.Key, err)
			} else if !ok {
				l.breach(lawSearch, p.Name, res.Key.String()+" is found and does not match")
			}
		}
		q.Cursor = got.Next
		more = got.Next != "" && len(found) < 10*page
	}
	l.verdict.Searches++
	if q.Cursor != "" {
		return nil // too many to say what is missing
	}
	for _, res := range l.sample {
		ok, err := m.Match(res.Type, res.Body, q.Where)
		if err != nil {
			return fmt.Errorf("match %s: %w", res.Key, err)
		}
		if ok && !found[res.Key] {
			l.breach(lawSearch, p.Name, res.Key.String()+" matches and is not found")
		}
	}
	return nil
}

// values gives a few values that the sample has for a parameter, as a search writes them.
func (l *laws) values(p *fhir.SearchParam) []string {
	if p.Expression == "" {
		if p.Name == "_id" && len(l.sample) > 0 {
			return []string{l.sample[0].ID}
		}
		return nil
	}
	expr, err := path.Parse(p.Expression)
	if err != nil {
		return nil
	}
	var all []string
	step := max(1, len(l.sample)/20)
	for i := 0; i < len(l.sample) && len(all) < perParam; i += step {
		doc, err := path.NewDoc(l.sample[i].Body, schema.Model{})
		if err != nil {
			continue
		}
		items, err := expr.Eval(&path.Env{}, doc.Root())
		if err != nil {
			continue
		}
		for _, it := range items {
			if v := written(p, it); v != "" && !slices.Contains(all, v) && len(all) < perParam {
				all = append(all, v)
			}
		}
	}
	return all
}

// written is a value as a search has it; empty where there is none to ask for.
func written(p *fhir.SearchParam, it path.Item) string {
	child := func(name string) string {
		for c := range it.Children(name) {
			return c.String()
		}
		return ""
	}
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`).Replace
	switch typ := it.Type(); {
	case typ == "CodeableConcept":
		for c := range it.Children("coding") {
			return written(p, c)
		}
	case typ == "Coding":
		return escape(child("system")) + "|" + escape(child("code"))
	case typ == "Identifier":
		return escape(child("system")) + "|" + escape(child("value"))
	case typ == "ContactPoint":
		return escape(child("value"))
	case typ == "Quantity":
		return child("value") + "|" + escape(child("system")) + "|" + escape(child("code"))
	case typ == "Reference":
		return child("reference")
	case typ == "Period":
		return child("start")
	case typ == "HumanName":
		return escape(child("family"))
	case typ == "Address":
		return escape(child("city"))
	case p.Type == fhir.ParamComposite:
		return ""
	default:
		return escape(it.String())
	}
	return ""
}
