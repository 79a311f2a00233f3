package invariant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
)

// constraint is one row of the generated table.
type constraint struct {
	path     string // where it holds: a type, or an element by its path
	key      string
	severity fhir.Severity
	human    string
	expr     string
}

// rule is a constraint ready to be evaluated.
type rule struct {
	*constraint
	expr *path.Expr
}

// memberRules are the rules of one element of a type.
type memberRules struct {
	name  string
	rules []rule
}

// ruleSet finds the rules of an element by its type or by its place. Both lists go by
// TypeID.
type ruleSet struct {
	byType   [][]rule
	byMember [][]memberRules
}

// rules compiles the table. It is made from constants: an error is one of the
// program, which a test would show.
var rules = sync.OnceValue(func() ruleSet {
	var m schema.Model
	var set ruleSet
	for i := range constraints {
		c := &constraints[i]
		r := rule{c, path.MustParse(c.expr)}
		if c.path == "DomainResource" {
			for _, t := range fhir.Types() {
				if id := m.Resource(string(t)); m.IsA(id, "DomainResource") {
					set.addType(id, r)
				}
			}
			continue
		}
		set.add(m, r)
	}
	return set
})

// add files a rule: those of a type, or of a backbone element, hold wherever
// the type occurs; others at one element of their parent.
func (s *ruleSet) add(m schema.Model, r rule) {
	names := strings.Split(strings.TrimSuffix(r.path, "[x]"), ".")
	typ := m.Type(names[0])
	for i, name := range names[1:] {
		parent := typ
		_, typ, _ = m.Member(parent, name)
		last := i == len(names)-2
		if last && (typ == 0 || m.Name(typ) != "BackboneElement") {
			s.addMember(parent, name, r)
			return
		}
	}
	s.addType(typ, r)
}

func (s *ruleSet) addType(typ path.TypeID, r rule) {
	for len(s.byType) <= int(typ) {
		s.byType = append(s.byType, nil)
	}
	s.byType[typ] = append(s.byType[typ], r)
}

func (s *ruleSet) addMember(parent path.TypeID, name string, r rule) {
	for len(s.byMember) <= int(parent) {
		s.byMember = append(s.byMember, nil)
	}
	all := s.byMember[parent]
	i := slices.IndexFunc(all, func(m memberRules) bool { return m.name == name })
	if i < 0 {
		s.byMember[parent] = append(all, memberRules{name, []rule{r}})
		return
	}
	all[i].rules = append(all[i].rules, r)
}

// at gives the rules of a type, and those of an element there.
func (s *ruleSet) at(p path.Place) (lists [2][]rule) {
	if int(p.Type) < len(s.byType) {
		lists[0] = s.byType[p.Type]
	}
	if int(p.Parent) >= len(s.byMember) {
		return lists
	}
	for _, m := range s.byMember[p.Parent] {
		if m.name == p.Name {
			lists[1] = m.rules
			break
		}
	}
	return lists
}

// Bounds on one check: what it reports, and the work for one constraint on one
// element.
const (
	maxIssues = 100
	maxSteps  = 1_000_000
)

// docs are spare.
var docs = sync.Pool{New: func() any { return new(path.Doc) }}

// Check evaluates the constraints on a resource that fhir/schema accepted, those in it and
// contained included. It returns an issue for each that does not hold:
// CodeInvariant, with its key and the element it is about. Warnings, which
// tell of best practice, are left out unless asked for.
func Check(body []byte, warnings bool) ([]fhir.Issue, error) {
	doc := docs.Get().(*path.Doc)
	defer func() {
		doc.Clear()
		docs.Put(doc)
	}()
	if err := doc.Read(body, schema.Model{}); err != nil {
		return nil, fmt.Errorf("invariants: %w", err)
	}
	set := rules()
	want := func(p path.Place) bool {
		lists := set.at(p)
		return len(lists[0])+len(lists[1]) > 0
	}
	var issues []fhir.Issue
	env := &path.Env{MaxSteps: maxSteps}
	for place, element := range doc.Elements(want) {
		for _, list := range set.at(place) {
			for i := range list {
				r := &list[i]
				if !warnings && r.severity == fhir.SeverityWarning {
					continue
				}
				if is, broken := r.check(env, element); broken {
					issues = append(issues, is)
				}
				if len(issues) >= maxIssues {
					return issues, nil
				}
			}
		}
	}
	return issues, nil
}

// check evaluates one rule. One that cannot be evaluated on this resource does
// not hold either.
func (r *rule) check(env *path.Env, element path.Item) (fhir.Issue, bool) {
	c, err := r.expr.Eval(env, element)
	if err == nil {
		if len(c) == 0 {
			return fhir.Issue{}, false
		}
		if holds, ok := c[0].Truth(); ok && holds {
			return fhir.Issue{}, false
		}
	}
	is := fhir.Issue{Severity: r.severity, Code: fhir.CodeInvariant, Detail: r.key + ": " + r.human, Path: element.Path()}
	switch {
	case errors.Is(err, path.ErrTooCostly):
		is.Code = fhir.CodeTooCostly
		is.Detail += " (The resource is too large for this to be checked.)"
	case err != nil:
		is.Detail += " (It cannot be evaluated on this resource.)"
	}
	return is, true
}
