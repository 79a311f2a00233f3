package bundle

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
)

// within gives an error the place of the entry that it is about.
func within(i int, err error) error {
	return amended(err, func(is *fhir.Issue) { is.Path = place(i, is.Path) })
}

// placed gives an error the place that it is about.
func placed(err error, path string) error {
	return amended(err, func(is *fhir.Issue) { is.Path = path })
}

// amended gives an error with its issues changed. What is not for the client stays as it
// is.
func amended(err error, change func(is *fhir.Issue)) error {
	var e *fhir.Error
	if !errors.As(err, &e) {
		return err
	}
	changed := &fhir.Error{Issues: slices.Clone(e.Issues), Err: e.Err}
	for n := range changed.Issues {
		change(&changed.Issues[n])
	}
	return changed
}

// place is the place in the Bundle of what is at a path of an entry's resource, which
// begins with its type, or of its request.
func place(i int, path string) string {
	switch {
	case strings.HasPrefix(path, "Bundle.entry["):
		return path
	case path == "" || strings.HasPrefix(path, "http."):
		return at(i, "")
	}
	_, rest, _ := strings.Cut(path, ".")
	return strings.TrimSuffix(at(i, ".resource."+rest), ".")
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
