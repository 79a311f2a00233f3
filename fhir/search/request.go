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
	maxValues = 1000     // over all parameters, each alternative behind a comma counted
	maxLength = 2048     // of one value, in bytes
	maxList   = 64 << 10 // of the values of one parameter together, in bytes
	maxChain  = 4        // links of one chain, forward and reverse together
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
	// Query is what to ask; nil when the search is on several types.
	Query *fhir.Query
	// Queries are what to ask, one after the other, when it is; Count and
	// Position are the size of the page over all of them and where it starts.
	Queries  []*fhir.Query
	Count    int
	Position string
	// Shape is how much of each resource is wanted.
	Shape Shape
	// Used are the parameters that took effect, for the self link (R4
	// 3.1.1.1.3).
	Used []Pair
	// Ignored says, under lenient handling, which parameters did not.
	Ignored []fhir.Issue

	cursors *Cursors
	caller  string
	scope   string // where the search looks, as the path of the URL has it
}

// Parse reads the parameters of a search on t. Every problem is reported, as
// one *fhir.Error. Unless lenient (Prefer: handling=lenient), what is unknown
// or not supported here is refused: ignoring a filter would return more than was
// asked for. A bad value is refused always. Caller names who asks; cursors that
// were issued to somebody else are refused.
func (p *Parser) Parse(t fhir.Type, params []Pair, lenient bool, caller string) (*Request, error) {
	return p.ParseWithin(fhir.Key{}, t, params, lenient, caller)
}

// ParseWithin reads a search on t that is restricted to the compartment of a
// resource (R4 3.1.1.2); without a compartment it is Parse.
func (p *Parser) ParseWithin(of fhir.Key, t fhir.Type, params []Pair, lenient bool, caller string) (*Request, error) {
	r, err := p.read(of, t, params, lenient)
	if err != nil {
		return nil, err
	}
	req := &Request{
		Query: r.query, Shape: r.shape, Used: r.used, Ignored: r.ignored,
		cursors: p.Cursors, caller: caller, scope: string(t),
	}
	if of.Type != "" {
		req.scope = of.String() + "/" + string(t)
	}
	if r.query.Cursor, err = req.open(r.cursor); err != nil {
		return nil, err
	}
	return req, nil
}

// read reads the parameters of a search on one type.
func (p *Parser) read(of fhir.Key, t fhir.Type, params []Pair, lenient bool) (*reader, error) {
	if len(params) > maxParams {
		return nil, fhir.Errorf(fhir.CodeTooCostly, "", "The search has %d parameters; at most %d are allowed.", len(params), maxParams)
	}
	r := &reader{parser: p, can: map[fhir.Type]fhir.Capability{}, lenient: lenient, seen: map[string]bool{}}
	r.query = &fhir.Query{Type: t, Count: p.DefaultCount}
	for _, pair := range params {
		r.pair(pair)
	}
	r.finish()
	if of.Type != "" {
		r.within(of)
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
	return r, nil
}

// open gives the position of the request's cursor, "" without one.
func (r *Request) open(cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	position, err := r.cursors.Open(cursor, r.binding())
	r.Used = append(r.Used, Pair{"_cursor", cursor})
	return position, err
}

// NextPairs gives the parameters of the next link for a Page.Next.
func (r *Request) NextPairs(next string) []Pair {
	pairs := make([]Pair, 0, len(r.Used)+1)
	for _, p := range r.Used {
		if p.Name != "_cursor" {
			pairs = append(pairs, p)
		}
	}
	return append(pairs, Pair{"_cursor", r.cursors.Seal(next, r.binding())})
}

// binding is what a cursor is valid for: the caller and the query, page size
// aside.
func (r *Request) binding() string {
	var b strings.Builder
	for _, part := range []string{r.caller, r.scope} {
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
	can     map[fhir.Type]fhir.Capability
	lenient bool
	query   *fhir.Query
	where   []fhir.Expr
	used    []Pair
	ignored []fhir.Issue
	issues  []fhir.Issue
	cursor  string
	// countOnly is set by _summary=count, which outweighs _count.
	countOnly bool
	shape     Shape
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
	case p.Name == "":
		r.fail(fhir.CodeInvalid, "query", "A parameter has no name.")
	case len(p.Value) > maxList:
		r.fail(fhir.CodeTooCostly, p.Name, "The values are %d bytes long together; at most %d are allowed.", len(p.Value), maxList)
	case longest(p.Value) > maxLength:
		r.fail(fhir.CodeTooCostly, p.Name, "A value is %d bytes long; at most %d are allowed.", longest(p.Value), maxLength)
	case strings.ContainsRune(p.Value, 0) || strings.ContainsRune(p.Name, 0):
		r.fail(fhir.CodeInvalid, strings.ReplaceAll(p.Name, "\x00", ""), "NUL is not allowed.")
	case resultParams[p.Name]:
		r.result(p)
	default:
		r.filter(p)
	}
}

// longest gives the length of the longest value of a list.
func longest(list string) int {
	most := 0
	for value := range strings.SplitSeq(list, ",") {
		most = max(most, len(value))
	}
	return most
}

// filter reads a parameter that restricts what is found.
func (r *reader) filter(p Pair) {
	if e := r.criterion(r.query.Type, p.Name, p, 0); e != nil {
		r.where = append(r.where, e)
		r.used = append(r.used, p)
	}
}

// criterion reads the condition that name, of a parameter of t or what is left of
// p's name behind a chain, and p's value make. It returns nil after noting a problem.
func (r *reader) criterion(t fhir.Type, name string, p Pair, depth int) fhir.Expr {
	if depth > maxChain {
		r.fail(fhir.CodeTooCostly, p.Name, "The chain has more than %d links.", maxChain)
		return nil
	}
	if rest, ok := strings.CutPrefix(name, "_has:"); ok {
		return r.has(t, rest, p, depth)
	}
	if name == "_list" {
		return r.list(p)
	}
	if name == Filter {
		return r.expression(t, p, depth)
	}
	link, rest, chained := strings.Cut(name, ".")
	base, modifier, modified := strings.Cut(link, ":")
	if modified && modifier == "" {
		r.fail(fhir.CodeInvalid, p.Name, "%q has a colon but no modifier.", p.Name)
		return nil
	}
	if base == Filter {
		r.fail(fhir.CodeInvalid, p.Name, "%s has no modifiers, and nothing is chained to it.", Filter)
		return nil
	}
	param := r.param(t, base, p)
	switch {
	case param == nil:
		return nil
	case chained:
		return r.chain(param, fhir.Type(modifier), rest, p, depth)
	}
	return r.expr(param, modifier, p)
}

// param finds a parameter that t supports, or notes that there is none.
func (r *reader) param(t fhir.Type, name string, p Pair) *fhir.SearchParam {
	params := r.capability(t).Params
	i := slices.IndexFunc(params, func(c *fhir.SearchParam) bool { return c.Name == name })
	if i < 0 {
		r.unknown(t, name, p.Name)
		return nil
	}
	return params[i]
}

// capability asks for each type but once.
func (r *reader) capability(t fhir.Type) fhir.Capability {
	c, ok := r.can[t]
	if !ok {
		c = r.parser.Describe(t)
		r.can[t] = c
	}
	return c
}

// unknown refuses a parameter that the type does not have, here or at all.
func (r *reader) unknown(t fhir.Type, name, full string) {
	switch _, ok := Lookup(t, name); {
	case name == "_has":
		r.refuse(full, "_has is written _has:Type:reference:parameter.")
	case name == "_include" || name == "_revinclude":
		r.refuse(full, "%s takes the modifier :iterate and no other.", name)
	case name == "_sort":
		r.refuse(full, "_sort takes no modifier. Descending is written with a minus, as in _sort=-date.")
	case resultParams[name]:
		r.refuse(full, "%s shapes the whole result: it takes no modifier, and is no part of a chain.", name)
	case slices.Contains(r.capability(t).Pending, name):
		r.refuse(full, "%s cannot be searched by %q yet: its resources are being indexed by it. Try again later.", t, name)
	case slices.Contains(r.capability(t).Unanswered, name):
		r.refuse(full, "%s cannot be searched by %q: no rule of the chart map leads to what its SearchParameter asks for.", t, name)
	case ok:
		r.refuse(full, "Searching %s by %q is not supported here. Supported: %s.", t, name, r.supported(t))
	default:
		if near := fhir.Nearest(name, r.names(t)); near != "" {
			r.refuse(full, "%s has no search parameter %q. Did you mean %q?", t, name, near)
			return
		}
		r.refuse(full, "%s has no search parameter %q. Supported: %s.", t, name, r.supported(t))
	}
}

func (r *reader) names(t fhir.Type) []string {
	var names []string
	for _, p := range r.capability(t).Params {
		names = append(names, p.Name)
	}
	for name := range resultParams {
		names = append(names, name)
	}
	return append(names, Filter)
}

func (r *reader) supported(t fhir.Type) string {
	var names []string
	for _, p := range r.capability(t).Params {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Types are the types that are searched.
func (r *Request) Types() []fhir.Type {
	if r.Query != nil {
		return []fhir.Type{r.Query.Type}
	}
	types := make([]fhir.Type, len(r.Queries))
	for i, q := range r.Queries {
		types[i] = q.Type
	}
	return types
}
