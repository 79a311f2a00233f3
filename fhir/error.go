package fhir

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// IssueCode is a code of http://hl7.org/fhir/issue-type. The edge derives the
// HTTP status from it, so a code is chosen for what the client should do.
type IssueCode string

// The issue codes that Portico uses.
const (
	CodeStructure     IssueCode = "structure"        // the content cannot be parsed or has the wrong shape
	CodeInvalid       IssueCode = "invalid"          // the request itself (URL, header, parameter) is malformed
	CodeRequired      IssueCode = "required"         // a required element is missing
	CodeValue         IssueCode = "value"            // an element has a value that is not allowed
	CodeCodeInvalid   IssueCode = "code-invalid"     // a code is not in its required value set
	CodeInvariant     IssueCode = "invariant"        // a constraint of the specification does not hold
	CodeExtension     IssueCode = "extension"        // an extension is malformed
	CodeBusinessRule  IssueCode = "business-rule"    // a rule of this server or of the EHR forbids it
	CodeNotSupported  IssueCode = "not-supported"    // this server does not do that
	CodeNotFound      IssueCode = "not-found"        // no such resource, version, type or route
	CodeDeleted       IssueCode = "deleted"          // the resource was deleted
	CodeConflict      IssueCode = "conflict"         // a precondition (If-Match …) does not hold
	CodeDuplicate     IssueCode = "duplicate"        // it exists already
	CodeLocked        IssueCode = "lock-error"       // the same is being done now; try again later
	CodeInUse         IssueCode = "processing"       // others depend on it as it is
	CodeMultiple      IssueCode = "multiple-matches" // a condition that must select one selects several
	CodeLogin         IssueCode = "login"            // no valid credentials
	CodeForbidden     IssueCode = "forbidden"        // the caller may not do that
	CodeTooLong       IssueCode = "too-long"         // the content is larger than this server takes
	CodeTooCostly     IssueCode = "too-costly"       // the request would need more work than allowed
	CodeThrottled     IssueCode = "throttled"        // too many requests; try again later
	CodeTransient     IssueCode = "transient"        // the server cannot serve now; try again later
	CodeTimeout       IssueCode = "timeout"          // it took longer than allowed
	CodeException     IssueCode = "exception"        // a fault of this server
	CodeInformational IssueCode = "informational"    // nothing is wrong
)

// Severity is a code of http://hl7.org/fhir/issue-severity. The zero value
// means SeverityError.
type Severity string

// The severities.
const (
	SeverityFatal       Severity = "fatal"
	SeverityError       Severity = "error"
	SeverityWarning     Severity = "warning"
	SeverityInformation Severity = "information"
)

// Issue is one problem, as an OperationOutcome lists it. Every field is safe
// to show to the client.
type Issue struct {
	Severity Severity
	Code     IssueCode
	Detail   string // a sentence: what is wrong and what was expected
	Path     string // FHIRPath location ("Patient.name[0].family"), or "http." and the header or parameter (R4 2.36.7, location); may be empty
}

// Error is a failure that the client is told about: one or more issues, the
// first of which decides the HTTP status. Err is its private cause, for the
// log only. An error that is not an *Error is a fault of the server and reaches
// the client as a bland 500.
type Error struct {
	Issues []Issue
	Err    error
}

// Errorf makes an Error with one issue. Path may be empty. The detail is shown
// to the client: never format a cause into it.
func Errorf(code IssueCode, path, format string, args ...any) *Error {
	return &Error{Issues: []Issue{{Code: code, Detail: fmt.Sprintf(format, args...), Path: path}}}
}

// Because returns a copy of e with the private cause err.
func (e *Error) Because(err error) *Error {
	return &Error{Issues: e.Issues, Err: err}
}

// Code is the code of the first issue.
func (e *Error) Code() IssueCode {
	if len(e.Issues) == 0 {
		return CodeException
	}
	return e.Issues[0].Code
}

// Is reports whether err is, or wraps, an Error with one of these codes.
func Is(err error, codes ...IssueCode) bool {
	var e *Error
	return errors.As(err, &e) && slices.Contains(codes, e.Code())
}

// Error implements error. It holds the details of all issues and the cause:
// for logs without PHI use Code.
func (e *Error) Error() string {
	var b strings.Builder
	for i, is := range e.Issues {
		if i > 0 {
			b.WriteString("; ")
		}
		if is.Path != "" {
			b.WriteString(is.Path + ": ")
		}
		b.WriteString(is.Detail)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the private cause.
func (e *Error) Unwrap() error { return e.Err }
