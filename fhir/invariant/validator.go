package invariant

import (
	"errors"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/schema"
)

// Validator checks a resource as a whole: its shape first, then the
// constraints. Safe for concurrent use.
type Validator struct {
	Schema *schema.Validator
}

// Validate checks body, which must be of the type want unless that is empty.
// The error is a *fhir.Error with all issues; constraints are only looked at
// when the shape is right.
func (v *Validator) Validate(body []byte, want fhir.Type) (schema.Info, error) {
	return v.validate(body, want, false)
}

// Examine is Validate with the warnings, as a list: what is wrong with the
// content is no error. Content that is too long is.
func (v *Validator) Examine(body []byte, want fhir.Type) (schema.Info, []fhir.Issue, error) {
	info, err := v.validate(body, want, true)
	var found *fhir.Error
	if errors.As(err, &found) && found.Code() != fhir.CodeTooLong {
		return info, found.Issues, nil
	}
	return info, nil, err
}

func (v *Validator) validate(body []byte, want fhir.Type, warnings bool) (schema.Info, error) {
	info, err := v.Schema.Validate(body, want)
	if err != nil {
		return info, err
	}
	issues, err := Check(body, warnings)
	if err != nil {
		return info, err
	}
	if len(issues) > 0 {
		return info, &fhir.Error{Issues: issues}
	}
	return info, nil
}
