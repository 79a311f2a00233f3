package search

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/portico-fhir/portico/fhir"
)

// The grammar of R4 3.1.3.1, with what the notes below it say of "and" and "or": they are
// evaluated from left to right, and neither binds more tightly.
//
//	filter    = operand *( ("and" / "or") operand )
//	operand   = ["not"] "(" filter ")" / paramExp
//	paramExp  = paramPath SP compareOp SP compValue
//	paramPath = paramName [ ["[" filter "]"] "." paramPath ]
//	compValue = json string / 1*( any but white space, ")" and "]" )
//
// Words are understood in any case, as ABNF has it. SP is any white space.

// filterProblem is what is wrong with a filter, and at which byte.
type filterProblem struct {
	code fhir.IssueCode
	at   int
	text string
}

// filterParser reads a filter once, from left to right, and stops at the first problem.
type filterParser struct {
	text    string
	at      int
	tests   int
	problem *filterProblem
}

func parseFilter(text string) (*filter, *filterProblem) {
	if !utf8.ValidString(text) {
		return nil, &filterProblem{fhir.CodeInvalid, 0, "The filter is not UTF-8."}
	}
	p := filterParser{text: text}
	f := p.filter(0)
	if p.space(); p.problem == nil && p.at < len(text) {
		p.fail("Expected and, or, or the end of the filter.")
	}
	if p.problem != nil {
		return nil, p.problem
	}
	return f, nil
}

// fail notes the first problem.
func (p *filterParser) fail(text string) { p.failAt(fhir.CodeInvalid, p.at, text) }

func (p *filterParser) failAt(code fhir.IssueCode, at int, text string) {
	if p.problem == nil {
		p.problem = &filterProblem{code, at, text}
	}
}

// space passes over white space; it reports whether there was some.
func (p *filterParser) space() bool {
	rest := strings.TrimLeftFunc(p.text[p.at:], unicode.IsSpace)
	from := p.at
	p.at = len(p.text) - len(rest)
	return p.at > from
}

// sign passes over a sign.
func (p *filterParser) sign(c byte) bool {
	if p.at == len(p.text) || p.text[p.at] != c {
		return false
	}
	p.at++
	return true
}

// name reads a paramName or a word, "" where there is none.
func (p *filterParser) name() string {
	from := p.at
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case p.at > from && (c == '-' || '0' <= c && c <= '9'):
		default:
			return p.text[from:p.at]
		}
	}
	return p.text[from:]
}

// filter reads operands up to what is none of theirs.
func (p *filterParser) filter(depth int) *filter {
	left := p.operand(depth)
	joined := false // left was made here: parentheses are no part of it
	for p.problem == nil {
		p.space()
		before := p.at
		op := filterOp(strings.ToLower(p.name()))
		if op != filterAnd && op != filterOr {
			p.at = before
			return left
		}
		right := p.operand(depth)
		if joined && left.op == op {
			p.add(left, right, before)
			continue
		}
		both := &filter{op: op}
		p.add(both, left, before)
		p.add(both, right, before)
		left, joined = both, true
	}
	return nil
}

// add makes a filter a part of another.
func (p *filterParser) add(to, part *filter, at int) {
	if p.problem != nil {
		return
	}
	to.parts = append(to.parts, part)
	p.above(to, part, at)
}

// above notes that a filter has another within it.
func (p *filterParser) above(f, within *filter, at int) {
	if f.levels = max(f.levels, within.levels+1); f.levels > maxLevels {
		p.failAt(fhir.CodeTooCostly, at, `Conditions are nested too deeply. Each change between "and" and "or" counts: use parentheses, or several _filter parameters.`)
	}
}

func (p *filterParser) operand(depth int) *filter {
	p.space()
	from := p.at
	if p.sign('(') {
		return p.group(depth, from, ')')
	}
	first := p.name()
	if strings.EqualFold(first, string(filterNot)) {
		after := p.at
		if p.space(); p.sign('(') {
			f := &filter{op: filterNot}
			p.add(f, p.group(depth, p.at-1, ')'), from)
			return f
		}
		p.at = after
	}
	return p.test(first, from, depth)
}

// group reads the filter behind what opens at a place, and what closes it.
func (p *filterParser) group(depth, open int, closing byte) *filter {
	if depth == maxNesting {
		p.failAt(fhir.CodeTooCostly, open, "Filters are nested too deeply.")
		return nil
	}
	f := p.filter(depth + 1)
	if p.space(); p.problem == nil && !p.sign(closing) {
		p.fail("Expected and, or, or \"" + string(closing) + "\".")
	}
	return f
}

// test reads a paramExp whose first name was read.
func (p *filterParser) test(first string, from, depth int) *filter {
	if p.tests++; p.tests > maxTests {
		p.failAt(fhir.CodeTooCostly, from, "A filter has at most "+strconv.Itoa(maxTests)+" tests.")
		return nil
	}
	f := &filter{test: test{path: p.path(first, from, depth)}}
	for _, s := range f.path {
		if s.where != nil && p.problem == nil {
			p.above(f, s.where, s.at)
		}
	}
	p.gap("Expected a space and an operator.")
	f.at = p.at
	f.compare = strings.ToLower(p.name())
	if !slices.Contains(filterOperators(), f.compare) {
		p.failAt(fhir.CodeInvalid, f.at, "Expected an operator: "+strings.Join(filterOperators(), ", ")+".")
	}
	p.gap("Expected a space and a value.")
	f.valueAt = p.at
	f.value = p.value()
	return f
}

// gap passes over the white space that has to be there.
func (p *filterParser) gap(expected string) {
	if !p.space() {
		p.fail(expected)
	}
}

func (p *filterParser) path(first string, from, depth int) []step {
	s := step{name: first, at: from}
	var path []step
	for p.problem == nil {
		if s.name == "" {
			p.failAt(fhir.CodeInvalid, s.at, "Expected the name of a search parameter, not( or a parenthesis.")
			break
		}
		if open := p.at; p.sign('[') {
			if s.where = p.group(depth, open, ']'); p.problem == nil && (p.at == len(p.text) || p.text[p.at] != '.') {
				p.fail("Expected a point and a name: a filter in brackets is about what the name behind it belongs to.")
			}
		}
		path = append(path, s)
		if !p.sign('.') {
			break
		}
		s = step{at: p.at}
		s.name = p.name()
	}
	return path
}

// value reads a compValue.
func (p *filterParser) value() string {
	if p.problem != nil {
		return ""
	}
	from := p.at
	if p.sign('"') {
		return p.quoted(from)
	}
	end := strings.IndexFunc(p.text[from:], func(c rune) bool { return c == ')' || c == ']' || unicode.IsSpace(c) })
	if end < 0 {
		end = len(p.text) - from
	}
	p.at = from + end
	if end == 0 {
		p.fail("Expected a value.")
	}
	return p.written(p.text[from:p.at], from)
}

// quoted reads a JSON string whose first quote was read.
func (p *filterParser) quoted(from int) string {
	for escaped := false; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			p.at++
			var s string
			if err := json.Unmarshal([]byte(p.text[from:p.at]), &s); err != nil {
				p.failAt(fhir.CodeInvalid, from, "This is no JSON string.")
			}
			if s == "" {
				p.failAt(fhir.CodeInvalid, from, "The value is empty. What has no value is found by the operator pr and false.")
			}
			return p.written(s, from)
		}
	}
	p.failAt(fhir.CodeInvalid, from, "The quote is not closed.")
	return ""
}

// written refuses characters that no resource holds.
func (p *filterParser) written(s string, from int) string {
	if strings.ContainsRune(s, 0) || strings.ContainsRune(s, utf8.RuneError) {
		p.failAt(fhir.CodeInvalid, from, "NUL, half of a pair of surrogates and U+FFFD cannot be looked for.")
	}
	return s
}
