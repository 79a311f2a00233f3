package integrity

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// reference is a literal reference to a resource of this server.
type reference struct {
	key     fhir.Key
	version string // empty for whatever is current
	path    string // FHIRPath of the Reference
}

// references gives those in the text of a resource, contained ones included, in their order.
func references(t fhir.Type, body []byte, base string) ([]reference, error) {
	var found []reference
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	for {
		tok, err := dec.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return nil, fhir.Errorf(fhir.CodeStructure, "", "The content is not JSON.").Because(err)
		case tok.Kind() != '"':
			continue
		}
		// In an object names and values alternate; a value has an even number.
		if kind, n := dec.StackIndex(dec.StackDepth()); kind != '{' || n%2 != 0 {
			continue
		}
		text := tok.String()
		at := dec.StackPointer()
		if at.LastToken() != "reference" || strings.IndexByte(text, '/') < 0 {
			continue
		}
		if ref := fhir.ParseReference(text, base); ref.Kind == fhir.RefLocal {
			found = append(found, reference{ref.Key, ref.Version, expression(t, at.Parent())})
		}
	}
}

// expression is a place in the JSON of a resource as a FHIRPath.
func expression(t fhir.Type, at jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString(string(t))
	for token := range at.Tokens() {
		if token[0] >= '0' && token[0] <= '9' {
			b.WriteString("[" + token + "]")
		} else {
			b.WriteString("." + token)
		}
	}
	return b.String()
}
