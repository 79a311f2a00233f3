package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// MaxIssues is how many issues of a resource are reported; one more says that
// there are more.
const MaxIssues = 100

// maxQuote limits how many characters of the client's content an issue repeats:
// enough to find the place, not to carry what it says.
const maxQuote = 32

// segment is a step of the path to where the run stands.
type segment struct {
	name  string
	index int // in an array; -1 outside
}

func (r *run) push(name string) { r.path = append(r.path, segment{name, -1}) }
func (r *run) pop()             { r.path = r.path[:len(r.path)-1] }
func (r *run) at(index int)     { r.path[len(r.path)-1].index = index }

// location renders the path as FHIRPath: Patient.name[0].family.
func (r *run) location() string {
	var b strings.Builder
	for i, s := range r.path {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.name)
		if s.index >= 0 {
			b.WriteByte('[')
			b.WriteString(strconv.Itoa(s.index))
			b.WriteByte(']')
		}
	}
	return b.String()
}

// issue reports a problem where the run stands.
func (r *run) issue(code fhir.IssueCode, format string, args ...any) {
	r.issueAt("", code, format, args...)
}

// full reports whether further issues will not be listed.
func (r *run) full() bool { return len(r.issues) > MaxIssues }

// issueAt reports a problem with a child of where the run stands.
func (r *run) issueAt(child string, code fhir.IssueCode, format string, args ...any) {
	if r.full() {
		return
	}
	path := r.location()
	if child != "" && path != "" {
		child = "." + child
	}
	r.issueIn(path+child, code, format, args...)
}

// issueIn reports a problem at a path.
func (r *run) issueIn(path string, code fhir.IssueCode, format string, args ...any) {
	switch {
	case r.full():
	case len(r.issues) == MaxIssues:
		r.issues = append(r.issues, fhir.Issue{Code: code, Detail: fmt.Sprintf("there are more than %d issues; the others are not listed", MaxIssues)})
	default:
		r.issues = append(r.issues, fhir.Issue{Code: code, Detail: fmt.Sprintf(format, args...), Path: path})
	}
}

// broken stops the run: the decoder cannot read on.
func (r *run) broken(err error) {
	if r.syntax != nil {
		return
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		r.malformedAt(len(r.body), "the content ends too early")
	case errors.As(err, &syntax) && syntax.Err != nil:
		r.malformedAt(int(syntax.ByteOffset), syntax.Err.Error())
	default:
		r.malformed("it cannot be read")
	}
}

// malformed stops the run with a fault of the JSON here.
func (r *run) malformed(why string) { r.malformedAt(int(r.dec.InputOffset()), why) }

func (r *run) malformedAt(offset int, why string) {
	before := r.body[:min(offset, len(r.body))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	r.syntax = &fhir.Issue{
		Code:   fhir.CodeStructure,
		Detail: fmt.Sprintf("the content is not well-formed JSON at line %d, column %d: %s", line, column, why),
		Path:   r.location(),
	}
}

// quote repeats a short code or name of the client's content in an issue.
func quote(text []byte) string {
	end := 0
	for range maxQuote {
		_, n := utf8.DecodeRune(text[end:])
		end += n
	}
	if end < len(text) {
		return strconv.Quote(string(text[:end]) + "…")
	}
	return strconv.Quote(string(text))
}

// maxName is the length from which a name is none that a client meant.
const maxName = 64

// plainName reports whether a member's name can stand in a path.
func plainName(name []byte) bool {
	if len(name) > maxName {
		return false
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_') {
			return false
		}
	}
	return len(name) > 0
}
