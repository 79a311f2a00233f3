package index

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/fhir/search"
)

// Limits on what a SearchParameter resource may ask for: its expression is evaluated
// in every write.
const (
	maxExpression = 2000 // bytes
	maxBases      = 150
	maxParts      = 9 // of a composite: each is numbered with a digit
)

// resource is what is read of a SearchParameter (R4 3.1.4).
type resource struct {
	URL        string   `json:"url"`
	Status     string   `json:"status"`
	Code       string   `json:"code"`
	Base       []string `json:"base"`
	Type       string   `json:"type"`
	Expression string   `json:"expression"`
	Target     []string `json:"target"`
	Component  []struct {
		Definition string `json:"definition"`
		Expression string `json:"expression"`
	} `json:"component"`
}

// parameterName is what a parameter of others may be called: nothing that means
// something in a search already, as "_", "." and ":" do.
var parameterName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// Define reads a SearchParameter resource that fhir/schema accepted. The result is nil
// for one that is not in use, its status not being active, and for a copy of one of
// R4's own, which is there anyway. The error is a *fhir.Error that says why others
// cannot be searched by; CodeDuplicate where R4 has something of that name or URL. What
// the parts of a composite are, [Resolve] finds.
func Define(body []byte) (*fhir.SearchParam, error) {
	var def resource
	if err := json.Unmarshal(body, &def); err != nil {
		return nil, fmt.Errorf("index: SearchParameter: %w", err)
	}
	if def.Status != "active" {
		return nil, nil
	}
	p := &fhir.SearchParam{Name: def.Code, URL: def.URL, Type: fhir.ParamType(def.Type), Expression: spelled(def.Expression)}
	for _, base := range def.Base {
		p.Base = append(p.Base, fhir.Type(base))
	}
	for _, target := range def.Target {
		p.Targets = append(p.Targets, fhir.Type(target))
	}
	if p.Type == fhir.ParamReference && len(p.Targets) == 0 {
		p.Targets = fhir.Types()
	}
	for _, part := range def.Component {
		p.Components = append(p.Components, fhir.ParamComponent{Definition: part.Definition, Expression: spelled(part.Expression)})
	}
	if own, err := clash(p); own || err != nil {
		return nil, err
	}
	var problems []fhir.Issue
	problem := func(element, format string, args ...any) {
		problems = append(problems, fhir.Errorf(fhir.CodeBusinessRule, "SearchParameter."+element, format, args...).Issues...)
	}
	switch p.Type {
	case fhir.ParamNumber, fhir.ParamDate, fhir.ParamString, fhir.ParamToken, fhir.ParamReference, fhir.ParamQuantity, fhir.ParamURI:
		if len(p.Components) > 0 {
			problem("component", "Only a composite parameter has components.")
		}
	case fhir.ParamComposite:
		for _, problematic := range partProblems(p) {
			problem("component", "%s", problematic)
		}
	case fhir.ParamSpecial:
		problem("type", "What a parameter of type special means no definition tells: those that are searched by are R4's own, such as near.")
	default:
		problem("type", "A parameter of type %s cannot be defined here.", p.Type)
	}
	if !parameterName.MatchString(p.Name) {
		problem("code", "The code of a parameter in use is a letter, and up to 63 more letters, digits, '-' and '_'.")
	}
	if len(p.Base) > maxBases {
		problem("base", "There are more than %d bases.", maxBases)
	}
	for _, problematic := range expressionProblems(p) {
		problem("expression", "%s", problematic)
	}
	if len(problems) > 0 {
		return nil, &fhir.Error{Issues: problems}
	}
	return p, nil
}

// choiceMember is an element of several types as JSON has it.
var choiceMember = regexp.MustCompile(`\.value[A-Z][A-Za-z0-9]*\b`)

// spelled writes value[x] as FHIRPath does, value.ofType(dateTime), where an expression
// has the name of the JSON member, valueDateTime, as some of US Core's have.
func spelled(expression string) string {
	parts := strings.Split(expression, "'")
	for i := 0; i < len(parts); i += 2 { // the others are literals
		parts[i] = choiceMember.ReplaceAllStringFunc(parts[i], func(member string) string {
			if e, ok := schema.Lookup("Extension", member[1:]); ok {
				return ".value.ofType(" + e.Type + ")"
			}
			return member
		})
	}
	return strings.Join(parts, "'")
}

// clash reports whether a parameter is R4's own on all its types, whatever URL it has:
// implementation guides define those again. The error tells how it is another of the
// same name or URL.
func clash(p *fhir.SearchParam) (own bool, err error) {
	types := p.On()
	same := 0
	for _, t := range types {
		r4, ok := search.Lookup(t, p.Name)
		switch {
		case ok && restates(t, p, r4):
			same++
		case ok:
			return false, fhir.Errorf(fhir.CodeDuplicate, "SearchParameter.code", "%s has another search parameter %q by R4 itself, %s.", t, p.Name, r4.URL)
		}
	}
	if same > 0 && same == len(types) {
		return true, nil
	}
	if _, taken := search.LookupURL(p.URL); taken {
		return false, fhir.Errorf(fhir.CodeDuplicate, "SearchParameter.url", "R4 itself has another search parameter with the URL %s.", p.URL)
	}
	if same > 0 {
		return false, fhir.Errorf(fhir.CodeDuplicate, "SearchParameter.code", "Some of the bases have a search parameter %q by R4 itself.", p.Name)
	}
	return false, nil
}

// restates reports whether a parameter is another's definition again, on a type.
func restates(t fhir.Type, p, r4 *fhir.SearchParam) bool {
	if p.Type != r4.Type {
		return false
	}
	own, again := operands(t, r4.Expression), operands(t, p.Expression)
	slices.Sort(own)
	slices.Sort(again)
	return len(again) > 0 && slices.Equal(own, again) || p.Expression == r4.Expression
}

// momentary are functions whose values would change while nothing is written.
var momentary = []string{"now(", "today(", "timeOfDay("}

// usable parses an expression, or says in a sentence what keeps it from being used.
func usable(expression string) (e *path.Expr, problem string) {
	switch {
	case expression == "":
		return nil, "A parameter in use needs an expression."
	case len(expression) > maxExpression:
		return nil, fmt.Sprintf("The expression is longer than %d bytes.", maxExpression)
	case slices.ContainsFunc(momentary, func(f string) bool { return strings.Contains(expression, f) }):
		return nil, "The expression depends on the time at which it is evaluated."
	}
	e, err := path.Parse(expression)
	if err != nil {
		return nil, fmt.Sprintf("The expression cannot be read: %v.", err)
	}
	return e, ""
}

// expressionProblems says in sentences what keeps an expression from being used.
func expressionProblems(p *fhir.SearchParam) []string {
	e, problem := usable(p.Expression)
	if problem != "" {
		return []string{problem}
	}
	var problems []string
	for _, base := range p.Base {
		if base == "Resource" || base == "DomainResource" {
			continue
		}
		about := func(e *path.Expr) bool {
			start := fhir.Type(e.Start())
			return start == base || !start.Valid()
		}
		if !slices.ContainsFunc(e.Alternatives(), about) {
			problems = append(problems, fmt.Sprintf("No part of the expression is about %s, which is a base.", base))
		}
	}
	return problems
}

// partProblems says in sentences what keeps the parts of a composite from being used.
func partProblems(p *fhir.SearchParam) []string {
	if n := len(p.Components); n < 2 || n > maxParts {
		return []string{fmt.Sprintf("A composite has 2 to %d components.", maxParts)}
	}
	var problems []string
	for i, part := range p.Components {
		if _, problem := usable(part.Expression); problem != "" {
			problems = append(problems, fmt.Sprintf("Component %d: %s", i+1, problem))
		}
	}
	return problems
}

// Resolve gives a composite with what its parts are: R4's parameters, or others of
// those given. Other parameters are as they were. The error is a *fhir.Error that says
// which part is nothing that a composite can have.
func Resolve(p *fhir.SearchParam, others []*fhir.SearchParam) (*fhir.SearchParam, error) {
	if p.Type != fhir.ParamComposite {
		return p, nil
	}
	out := *p
	out.Components = slices.Clone(p.Components)
	for i := range out.Components {
		part := &out.Components[i]
		url, _, _ := strings.Cut(part.Definition, "|")
		own, ok := search.LookupURL(url)
		if at := slices.IndexFunc(others, func(o *fhir.SearchParam) bool { return o.URL == url }); at >= 0 {
			own, ok = others[at], true
		}
		switch {
		case !ok:
			return nil, fhir.Errorf(fhir.CodeBusinessRule, "SearchParameter.component", "Component %d is neither a search parameter of R4 nor one in use here.", i+1)
		case own.Type == fhir.ParamComposite || own.Type == fhir.ParamSpecial:
			return nil, fhir.Errorf(fhir.CodeBusinessRule, "SearchParameter.component", "Component %d is of type %s, which cannot be a part of others.", i+1, own.Type)
		}
		part.Param = own
	}
	return &out, nil
}
