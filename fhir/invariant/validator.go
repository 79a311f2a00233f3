package invariant

import (
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
	info, err := v.Schema.Validate(body, want)
	if err != nil {
		return info, err
	}
	issues, err := Check(body, false)
	if err != nil {
		return info, err
	}
	if len(issues) > 0 {
		return info, &fhir.Error{Issues: issues}
	}
	return info, nil
}
