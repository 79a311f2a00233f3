package bundle

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// within gives an error the place of the entry that it is about. What is not for
// the client stays as it is.
func within(i int, err error) error {
	var told *fhir.Error
	if !errors.As(err, &told) {
		return err
	}
	return &fhir.Error{Issues: place(i, told.Issues), Err: told.Err}
}

// place says in which entry issues are. The paths of a resource begin with its type.
func place(i int, issues []fhir.Issue) []fhir.Issue {
	placed := make([]fhir.Issue, len(issues))
	for n, is := range issues {
		switch {
		case strings.HasPrefix(is.Path, "Bundle.entry["):
		case is.Path == "" || strings.HasPrefix(is.Path, "http."):
			is.Path = at(i, "")
		default:
			_, rest, _ := strings.Cut(is.Path, ".")
			is.Path = strings.TrimSuffix(at(i, ".resource."+rest), ".")
		}
		placed[n] = is
	}
	return placed
}

// refusal is the answer to an entry that was not tried.
func refusal(err error) Answer {
	var told *fhir.Error
	if errors.As(err, &told) {
		return Answer{Issues: told.Issues}
	}
	return Answer{Issues: fhir.Errorf(fhir.CodeException, "", "The server failed.").Issues}
}

// kindOf gives the resourceType of a resource, "" when it has none.
func kindOf(resource []byte) fhir.Type {
	var r struct {
		ResourceType fhir.Type `json:"resourceType"`
	}
	if err := json.Unmarshal(resource, &r, jsontext.AllowDuplicateNames(true)); err != nil {
		return ""
	}
	return r.ResourceType
}

// unpackBinary gives the content of a Binary, which is how a JSON Patch comes in a
// Bundle (R4 3.1.0.6).
func unpackBinary(resource []byte) (contentType string, data []byte, err error) {
	var r struct {
		ContentType string `json:"contentType"`
		Data        string `json:"data"`
	}
	if err := json.Unmarshal(resource, &r); err != nil {
		return "", nil, fhir.Errorf(fhir.CodeStructure, "", "The Binary cannot be read.").Because(err)
	}
	data, err = base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		return "", nil, fhir.Errorf(fhir.CodeValue, "Binary.data", "data is not base64.").Because(err)
	}
	return r.ContentType, data, nil
}
