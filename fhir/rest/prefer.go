package rest

import (
	"net/http"
	"strings"

	"github.com/portico-fhir/portico/fhir"
)

// prefer is what the Prefer headers say (RFC 7240; R4 3.1.0.1.12 and
// 3.1.1.1.1). Preferences that we do not know are ignored, as RFC 7240 wants.
type prefer struct {
	content returned
	stated  bool // content was asked for
	lenient bool
	async   bool // respond-async
}

// returned is the body that the client wants after a write.
type returned uint8

const (
	representation returned = iota
	minimal
	outcome
)

// contents are the values of return.
var contents = map[string]returned{"minimal": minimal, "representation": representation, "OperationOutcome": outcome}

// parsePrefer refuses an unknown handling: guessing which of two opposites a client meant
// helps nobody. An unknown return is ignored; npm's fhirclient asks for "presentation".
func parsePrefer(h http.Header) (prefer, error) {
	var p prefer
	for _, value := range h["Prefer"] {
		for part := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == ',' || c == ';' }) {
			name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
			v = strings.Trim(strings.TrimSpace(v), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "return":
				if content, known := contents[v]; known {
					p.content, p.stated = content, true
				}
			case "respond-async":
				p.async = true
			case "handling":
				switch v {
				case "strict":
					p.lenient = false
				case "lenient":
					p.lenient = true
				default:
					return p, fhir.Errorf(fhir.CodeInvalid, "http.Prefer", "handling must be strict or lenient.")
				}
			}
		}
	}
	return p, nil
}
