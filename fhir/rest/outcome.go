package rest

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// appendOutcome writes the issues as an OperationOutcome (R4 2.36). A place in
// the request ("http.<name>") is a location, a place in a resource an
// expression.
func appendOutcome(dst []byte, issues []fhir.Issue) []byte {
	dst = append(dst, `{"resourceType":"OperationOutcome","issue":[`...)
	for i, is := range issues {
		if i > 0 {
			dst = append(dst, ',')
		}
		severity := is.Severity
		if severity == "" {
			severity = fhir.SeverityError
		}
		dst = append(dst, `{"severity":"`...)
		dst = append(dst, severity...)
		dst = append(dst, `","code":"`...)
		dst = append(dst, is.Code...)
		dst = append(dst, '"')
		if is.Detail != "" {
			dst = append(dst, `,"details":{"text":`...)
			dst = appendString(dst, is.Detail)
			dst = append(dst, '}')
		}
		if is.Path != "" {
			member := `,"expression":[`
			if strings.HasPrefix(is.Path, "http.") {
				member = `,"location":[`
			}
			dst = append(dst, member...)
			dst = appendString(dst, is.Path)
			dst = append(dst, ']')
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD; AppendQuote reports that, and nothing else, as an error.
func appendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}
