package search

import (
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// Limits on what one request may ask. They bound the work of parsing and
// compiling; what a query costs to run is bounded by the repositories.
const (
	maxParams = 100
	maxValues = 1000 // over all parameters, each alternative behind a comma counted
	maxLength = 2048 // of one value, in bytes
)

// Pair is one parameter of a request, percent-decoded, in the order of the
// request. The edge keeps for itself what is about the representation
// (_format, _pretty).
type Pair struct{ Name, Value string }

// Parser turns requests into queries. All fields are set before the first use;
// it is then safe for concurrent use.
type Parser struct {
	// Base is the server's FHIR base URL: references below it are local.
	Base string
	// Describe says which parameters a type supports here.
	Describe func(fhir.Type) fhir.Capability
	// DefaultCount is the page size when none is asked for; MaxCount caps
	// what may be asked for.
	DefaultCount, MaxCount int
	// Cursors seals and opens the positions of next links.
	Cursors *Cursors
}

// Request is a parsed search.
type Request struct {
	Query *fhir.Query
	// Used are the parameters that took effect, for the self link (R4
	// 3.1.1.1.3).
	Used []Pair
	// Ignored says, under lenient handling, which parameters did not.
	Ignored []fhir.Issue

	cursors *Cursors
	caller  string
}

// Parse reads the parameters of a search on t. Every problem is reported, as
// one *fhir.Error. Unless lenient (Prefer: handling=lenient), what is unknown
// or not supported here is refused: ignoring a filter would return more than was
// asked for. A bad value is refused always. Caller names who asks; cursors that
// were issued to somebody else are refused.
func (p *Parser) Parse(t fhir.Type, params []Pair, lenient bool, caller string) (*Request, error) {
	if len(params) > maxParams {
		return nil, fhir.Errorf(fhir.CodeTooCostly, "", "The search has %d parameters; at most %d are allowed.", len(params), maxParams)
	}
	r := reader{parser: p, can: p.Describe(t), lenient: lenient, seen: map[string]bool{}}
	r.query = &fhir.Query{Type: t, Count: p.DefaultCount}
	for _, pair := range params {
		r.pair(pair)
	}
	if len(r.issues) > 0 {
		return nil, &fhir.Error{Issues: r.issues}
	}
	if r.countOnly {
		r.query.Count, r.query.Total = 0, true
	}
	switch len(r.where) {
	case 0:
	case 1:
		r.query.Where = r.where[0]
	default:
		r.query.Where = fhir.And(r.where)
	}
	req := &Request{Query: r.query, Used: r.used, Ignored: r.ignored, cursors: p.Cursors, caller: caller}
	if r.cursor != "" {
		position, err := p.Cursors.open(r.cursor, req.binding())
		if err != nil {
			return nil, err
		}
		r.query.Cursor = position
		req.Used = append(req.Used, Pair{"_cursor", r.cursor})
	}
	return req, nil
}

// NextPairs gives the parameters of the next link for a Page.Next.
func (r *Request) NextPairs(next string) []Pair {
	pairs := make([]Pair, 0, len(r.Used)+1)
	for _, p := range r.Used {
		if p.Name != "_cursor" {
			pairs = append(pairs, p)
		}
	}
	return append(pairs, Pair{"_cursor", r.cursors.seal(next, r.binding())})
}

// binding is what a cursor is valid for: the caller and the query, page size
// aside.
func (r *Request) binding() string {
	var b strings.Builder
	for _, part := range []string{r.caller, string(r.Query.Type)} {
		b.WriteString(strconv.Quote(part))
	}
	for _, p := range r.Used {
		if p.Name != "_count" && p.Name != "_cursor" {
			b.WriteString(strconv.Quote(p.Name) + strconv.Quote(p.Value))
		}
	}
	return b.String()
}

// reader collects what the parameters of one request say.
type reader struct {
	parser  *Parser
	can     fhir.Capability
	lenient bool
	query   *fhir.Query
	where   []fhir.Expr
	used    []Pair
	ignored []fhir.Issue
	issues  []fhir.Issue
	cursor  string
	// countOnly is set by _summary=count, which outweighs _count.
	countOnly bool
	seen      map[string]bool // result parameters so far
	values    int
}

// fail notes a problem with a parameter.
func (r *reader) fail(code fhir.IssueCode, name, format string, args ...any) {
	r.issues = append(r.issues, fhir.Errorf(code, "http."+name, format, args...).Issues...)
}

// refuse notes a parameter that is unknown or not supported: an error, or under
// lenient handling something to ignore.
func (r *reader) refuse(name, format string, args ...any) {
	issues := fhir.Errorf(fhir.CodeNotSupported, "http."+name, format, args...).Issues
	if !r.lenient {
		r.issues = append(r.issues, issues...)
		return
	}
	issues[0].Severity = fhir.SeverityWarning
	issues[0].Detail += " It was ignored."
	r.ignored = append(r.ignored, issues...)
}

func (r *reader) pair(p Pair) {
	switch {
	case len(p.Name) > maxLength:
		r.fail(fhir.CodeInvalid, "", "A parameter name is longer than %d bytes.", maxLength)
	case len(p.Value) > maxLength:
		r.fail(fhir.CodeTooCostly, p.Name, "The value is %d bytes long; at most %d are allowed.", len(p.Value), maxLength)
	case strings.ContainsRune(p.Value, 0) || strings.ContainsRune(p.Name, 0):
		r.fail(fhir.CodeInvalid, strings.ReplaceAll(p.Name, "\x00", ""), "NUL is not allowed.")
	case resultParams[p.Name]:
		r.result(p)
	default:
		r.filter(p)
	}
}

// filter reads a parameter that restricts what is found.
func (r *reader) filter(p Pair) {
	name, modifier, modified := strings.Cut(p.Name, ":")
	switch {
	case name == "_has" || strings.Contains(p.Name, "."):
		r.refuse(p.Name, "Chained and reverse chained search (%q) are not supported.", p.Name)
		return
	case name == "_include" || name == "_revinclude":
		r.refuse(p.Name, "%s is not supported.", name)
		return
	case modified && modifier == "":
		r.fail(fhir.CodeInvalid, p.Name, "%q has a colon but no modifier.", p.Name)
		return
	}
	i := slices.IndexFunc(r.can.Params, func(c *fhir.SearchParam) bool { return c.Name == name })
	if i < 0 {
		r.unknown(p.Name, name)
		return
	}
	if expr := r.expr(r.can.Params[i], modifier, p); expr != nil {
		r.where = append(r.where, expr)
		r.used = append(r.used, p)
	}
}

// unknown refuses a parameter that the type does not have, here or at all.
func (r *reader) unknown(full, name string) {
	t := r.query.Type
	if _, ok := Lookup(t, name); ok {
		r.refuse(full, "Searching %s by %q is not supported here. Supported: %s.", t, name, r.supported())
		return
	}
	if near := fhir.Nearest(name, r.names()); near != "" {
		r.refuse(full, "%s has no search parameter %q. Did you mean %q?", t, name, near)
		return
	}
	r.refuse(full, "%s has no search parameter %q. Supported: %s.", t, name, r.supported())
}

func (r *reader) names() []string {
	names := make([]string, 0, len(r.can.Params)+len(resultParams))
	for _, p := range r.can.Params {
		names = append(names, p.Name)
	}
	for name := range resultParams {
		names = append(names, name)
	}
	return names
}

func (r *reader) supported() string {
	var names []string
	for _, p := range r.can.Params {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
