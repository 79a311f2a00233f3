package grant

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/smart/policy"
)

// input are the parameters of the operations.
type input struct {
	patient    fhir.Key
	proxy      fhir.Key
	related    json.RawMessage // a RelatedPerson that is to be made
	login      string
	basis      string
	evidence   string
	ordered    bool
	categories []string // nil: none given
	actions    []policy.Action
	from       time.Time
	until      time.Time
}

// parameter is one as it stands in Parameters.
type parameter struct {
	Name      string          `json:"name"`
	Code      *string         `json:"valueCode"`
	String    *string         `json:"valueString"`
	Boolean   *bool           `json:"valueBoolean"`
	Period    *period         `json:"valuePeriod"`
	Reference *reference      `json:"valueReference"`
	Resource  json.RawMessage `json:"resource"`

	at string
}

// read reads a Parameters resource. Takes names the parameters that the operation has;
// another is refused, as is one that is there twice.
func (o *Operations) read(c operation.Call, takes ...string) (input, error) {
	var in input
	if len(c.Params) > 0 {
		return in, fhir.Errorf(fhir.CodeInvalid, "http.query", "The parameters go into the body, as a Parameters resource.")
	}
	if c.Body == nil {
		return in, nil
	}
	if _, err := o.Validator.Validate(c.Body, "Parameters"); err != nil {
		return in, err
	}
	var body struct {
		Parameter []parameter `json:"parameter"`
	}
	if err := json.Unmarshal(c.Body, &body); err != nil {
		return in, fhir.Errorf(fhir.CodeStructure, "Parameters", "The Parameters cannot be read.").Because(err)
	}
	seen := make(map[string]bool)
	for i, p := range body.Parameter {
		p.at = fmt.Sprintf("Parameters.parameter[%d]", i)
		switch {
		case !slices.Contains(takes, p.Name):
			return in, fhir.Errorf(fhir.CodeInvalid, p.at, "There is no parameter %q. There are: %v.", p.Name, takes)
		case seen[p.Name] && p.Name != "category" && p.Name != "action":
			return in, fhir.Errorf(fhir.CodeInvalid, p.at, "%s is given twice.", p.Name)
		}
		seen[p.Name] = true
		if err := o.take(&in, p); err != nil {
			return in, err
		}
	}
	return in, nil
}

// take puts one parameter into its place.
func (o *Operations) take(in *input, p parameter) (err error) {
	switch p.Name {
	case "patient":
		in.patient, err = p.key("Patient", o.Base)
	case "proxy":
		in.proxy, err = p.key("RelatedPerson", o.Base)
	case "relatedPerson":
		if in.related = p.Resource; in.related == nil {
			err = p.wants("resource, a RelatedPerson")
		}
	case "login":
		in.login, err = p.text(p.String, "valueString")
	case "evidence":
		in.evidence, err = p.text(p.String, "valueString")
	case "basis":
		in.basis, err = p.text(p.Code, "valueCode")
	case "category":
		var name string
		name, err = p.text(p.Code, "valueCode")
		if _, ok := o.Grants.Policy.Categories[name]; err == nil && !ok {
			return fhir.Errorf(fhir.CodeCodeInvalid, p.at, "There is no category %q.", name)
		}
		in.categories = append(in.categories, name)
	case "action":
		var name string
		name, err = p.text(p.Code, "valueCode")
		if err == nil && !slices.Contains(policy.Actions(), policy.Action(name)) {
			return fhir.Errorf(fhir.CodeCodeInvalid, p.at, "There is no action %q. There are: %v.", name, policy.Actions())
		}
		in.actions = append(in.actions, policy.Action(name))
	case "ordered":
		if p.Boolean == nil {
			return p.wants("valueBoolean")
		}
		in.ordered = *p.Boolean
	case "period":
		err = o.period(in, p)
	}
	return err
}

func (p parameter) wants(what string) error {
	return fhir.Errorf(fhir.CodeInvalid, p.at, "The parameter %s wants a %s.", p.Name, what)
}

func (p parameter) text(value *string, what string) (string, error) {
	if value == nil || *value == "" {
		return "", p.wants(what)
	}
	return *value, nil
}

// key reads a reference to a resource on this server.
func (p parameter) key(t fhir.Type, base string) (fhir.Key, error) {
	if p.Reference == nil {
		return fhir.Key{}, p.wants("valueReference")
	}
	r := fhir.ParseReference(p.Reference.Reference, base)
	if r.Kind != fhir.RefLocal || r.Key.Type != t || r.Version != "" || r.Fragment != "" {
		return fhir.Key{}, fhir.Errorf(fhir.CodeInvalid, p.at, "The parameter %s wants a reference such as %s/123.", p.Name, t)
	}
	return r.Key, nil
}

// period reads from when until when; a date as an end is meant to be part of it.
func (o *Operations) period(in *input, p parameter) error {
	if p.Period == nil {
		return p.wants("valuePeriod")
	}
	for _, end := range []struct {
		text string
		set  func(fhir.Date)
	}{
		{p.Period.Start, func(d fhir.Date) { in.from, _ = d.Range(o.Grants.Location) }},
		{p.Period.End, func(d fhir.Date) { _, in.until = d.Range(o.Grants.Location) }},
	} {
		if end.text == "" {
			continue
		}
		d, err := fhir.ParseDate(end.text)
		if err != nil {
			return fhir.Errorf(fhir.CodeValue, p.at+".value", "The period has an end that is no date.")
		}
		end.set(d)
	}
	if !in.until.IsZero() && !in.until.After(in.from) {
		return fhir.Errorf(fhir.CodeValue, p.at+".value", "The period ends before it begins.")
	}
	return nil
}
