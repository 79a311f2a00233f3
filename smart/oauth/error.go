package oauth

import (
	"fmt"
	"strings"
)

// Code is the value of "error" that a program acts upon.
type Code string

// The codes (RFC 6749 4.1.2.1 and 5.2, RFC 6750 3.1, OpenID Connect Core
// 3.1.2.6 and 6).
const (
	InvalidRequest          Code = "invalid_request"
	InvalidClient           Code = "invalid_client"
	InvalidGrant            Code = "invalid_grant"
	InvalidScope            Code = "invalid_scope"
	InvalidToken            Code = "invalid_token"
	InsufficientScope       Code = "insufficient_scope"
	UnauthorizedClient      Code = "unauthorized_client"
	UnsupportedGrantType    Code = "unsupported_grant_type"
	UnsupportedResponseType Code = "unsupported_response_type"
	AccessDenied            Code = "access_denied"
	ServerError             Code = "server_error"
	TemporarilyUnavailable  Code = "temporarily_unavailable"
	LoginRequired           Code = "login_required"
	ConsentRequired         Code = "consent_required"
	RequestNotSupported     Code = "request_not_supported"
	RequestURINotSupported  Code = "request_uri_not_supported"
	RegistrationUnsupported Code = "registration_not_supported"
)

// Error is a failure that the client is told about. Any other error is a fault of
// the server.
type Error struct {
	Code Code
	// Description is for the developer of the client: what is wrong and what was
	// expected. It holds nothing but what the client sent or may know.
	Description string
	// Err is the private cause, for the log only.
	Err error
}

// Errorf makes an Error. Characters of the description that RFC 6749 does not allow
// there are replaced. Never format a cause into it.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Description: printable(fmt.Sprintf(format, args...))}
}

// Because returns a copy of e with the private cause err.
func (e *Error) Because(err error) *Error {
	return &Error{Code: e.Code, Description: e.Description, Err: err}
}

// Error implements error. It holds the private cause.
func (e *Error) Error() string {
	text := string(e.Code) + ": " + e.Description
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the private cause.
func (e *Error) Unwrap() error { return e.Err }

// maxDescription bounds a description, which may quote what a client sent.
const maxDescription = 500

// printable keeps to the characters %x20-21 / %x23-5B / %x5D-7E (RFC 6749 5.2).
func printable(s string) string {
	if len(s) > maxDescription {
		s = s[:maxDescription]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < 0x20 || r > 0x7e:
			return '?'
		}
		return r
	}, s)
}
