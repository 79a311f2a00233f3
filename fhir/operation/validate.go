package operation

import (
	"context"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/invariant"
	"github.com/portico-fhir/portico/fhir/schema"
)

// validation is what $validate is asked.
type validation struct {
	resource []byte // nil when none was sent
	mode     string // create, update, delete, or empty: only what is in the resource counts
	profiles []string
}

// validate says whether a resource could be created or updated, or one be deleted
// (Resource-validate). What is wrong with it is an answer, not an error.
func (o *Operations) validate(ctx context.Context, c Call) (Result, error) {
	v, err := readValidation(c)
	if err != nil {
		return Result{}, err
	}
	if err := v.check(c); err != nil {
		return Result{}, err
	}
	if v.mode == "delete" {
		return o.validateDelete(ctx, c)
	}
	if v.resource == nil {
		res, err := o.Repository.Read(ctx, c.Key)
		if err != nil {
			return Result{}, err
		}
		v.resource = res.Body
	}
	info, issues, err := o.validator().Examine(v.resource, c.Key.Type)
	if err != nil {
		return Result{}, err
	}
	allowed, err := o.allowed(ctx, c, v.mode, info)
	if err != nil {
		return Result{}, err
	}
	issues = append(issues, allowed...)
	for _, is := range issues {
		if is.Severity != fhir.SeverityWarning && is.Severity != fhir.SeverityInformation {
			return Result{Outcome: issues}, nil
		}
	}
	return Result{Outcome: append(issues, good("All is well: this is a valid %s.", c.Key.Type))}, nil
}

func (o *Operations) validator() *invariant.Validator {
	if o.Validator == nil {
		return &invariant.Validator{Schema: &schema.Validator{Base: o.Search.Base}}
	}
	return o.Validator
}

func good(format string, args ...any) fhir.Issue {
	is := fhir.Errorf(fhir.CodeInformational, "", format, args...).Issues[0]
	is.Severity = fhir.SeverityInformation
	return is
}

// readValidation reads the parameters of the URL and the body, which is the
// resource or a Parameters with it.
func readValidation(c Call) (*validation, error) {
	v := &validation{}
	for _, p := range c.Params {
		if err := v.set(p.Name, p.Value); err != nil {
			return nil, err
		}
	}
	if len(c.Body) == 0 {
		return v, nil
	}
	in, ok := parametersOf(c.Body)
	if !ok || c.Key.Type == "Parameters" && !in.has("resource") {
		v.resource = c.Body
		return v, nil
	}
	for _, p := range in.Parameter {
		name := p.name()
		value, ok := p.text()
		switch {
		case name == "resource" && v.resource != nil:
			return nil, invalid("resource", "The resource is given twice.")
		case name == "resource" && p["resource"] != nil:
			v.resource = p["resource"]
		case !ok:
			return nil, invalid(name, "The parameter %q has no value that $validate can take.", name)
		default:
			if err := v.set(name, value); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// set takes one of the parameters that have a primitive value.
func (v *validation) set(name, value string) error {
	switch {
	case name == "profile":
		v.profiles = append(v.profiles, value)
	case name != "mode":
		return fhir.Errorf(fhir.CodeNotSupported, "http.query", "$validate takes resource, mode and profile, not %q.", name)
	case v.mode != "":
		return invalid("mode", "mode is given twice.")
	case value == "profile":
		return fhir.Errorf(fhir.CodeNotSupported, "http.mode", "Resources are not validated against profiles here yet.")
	case value != "create" && value != "update" && value != "delete":
		return invalid("mode", "mode must be create, update or delete.")
	default:
		v.mode = value
	}
	return nil
}

// check refuses what does not go together.
func (v *validation) check(c Call) error {
	for _, profile := range v.profiles {
		name, version, _ := strings.Cut(profile, "|")
		if name != "http://hl7.org/fhir/StructureDefinition/"+string(c.Key.Type) || version != "" && version != "4.0.1" {
			return fhir.Errorf(fhir.CodeNotSupported, "http.profile", "%q is not known here: resources are validated against FHIR R4 itself, not against profiles.", profile)
		}
	}
	switch {
	case v.mode == "create" && c.Key.ID != "":
		return invalid("mode", "A creation has no id yet. Ask [base]/%s/$validate.", c.Key.Type)
	case v.mode == "delete" && c.Key.ID == "":
		return invalid("mode", "A deletion is of one resource. Ask [base]/%s/[id]/$validate.", c.Key.Type)
	case v.mode == "delete" && v.resource != nil:
		return invalid("resource", "The validation of a deletion takes no resource.")
	case v.resource == nil && c.Key.ID == "":
		return invalid("resource", "There is nothing to validate: send a resource, or Parameters with one.")
	case v.resource == nil && v.mode == "update":
		return invalid("resource", "The validation of an update needs the new resource.")
	}
	return nil
}

// validateDelete says whether the resource could be deleted.
func (o *Operations) validateDelete(ctx context.Context, c Call) (Result, error) {
	if _, err := o.Repository.Read(ctx, c.Key); err != nil {
		return Result{}, err
	}
	if !o.Repository.Describe(c.Key.Type).Delete {
		return Result{Outcome: fhir.Errorf(fhir.CodeNotSupported, "", "%s resources cannot be deleted here.", c.Key.Type).Issues}, nil
	}
	_, err := o.Repository.Commit(commit.Rehearse(ctx), []fhir.Change{{Method: fhir.Delete, Key: c.Key}})
	var told *fhir.Error
	switch {
	case errors.As(err, &told):
		return Result{Outcome: told.Issues}, nil
	case err != nil:
		return Result{}, err
	}
	return Result{Outcome: []fhir.Issue{good("All is well: %s can be deleted.", c.Key)}}, nil
}

// allowed says what stands against carrying out the mode with this resource.
func (o *Operations) allowed(ctx context.Context, c Call, mode string, info schema.Info) ([]fhir.Issue, error) {
	can, t := o.Repository.Describe(c.Key.Type), c.Key.Type
	id := c.Key.ID
	switch {
	case mode == "create" && !can.Create:
		return fhir.Errorf(fhir.CodeNotSupported, "", "%s resources cannot be created here.", t).Issues, nil
	case mode == "update" && !can.Update:
		return fhir.Errorf(fhir.CodeNotSupported, "", "%s resources cannot be updated here.", t).Issues, nil
	case mode == "update" && info.ID == "":
		return fhir.Errorf(fhir.CodeRequired, string(t)+".id", "An update needs the id of the resource.").Issues, nil
	case id != "" && info.ID != "" && info.ID != id:
		return fhir.Errorf(fhir.CodeValue, string(t)+".id", "The id of the resource is not the one in the URL.").Issues, nil
	case mode != "update" || can.UpdateCreate:
		return nil, nil
	}
	_, err := o.Repository.Read(ctx, fhir.Key{Type: t, ID: info.ID})
	var refused *fhir.Error
	if errors.As(err, &refused) && fhir.Is(refused, fhir.CodeNotFound, fhir.CodeDeleted) {
		return refused.Issues, nil
	}
	return nil, err
}

// parameters is a Parameters resource as far as $validate reads it.
type parameters struct {
	ResourceType string      `json:"resourceType"`
	Parameter    []parameter `json:"parameter"`
}

type parameter map[string]jsontext.Value

// parametersOf reads a body; ok is false when it is no Parameters. What is wrong
// with the resource in it is not found here.
func parametersOf(body []byte) (in parameters, ok bool) {
	err := json.Unmarshal(body, &in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return in, err == nil && in.ResourceType == "Parameters"
}

func (p *parameters) has(name string) bool {
	for _, q := range p.Parameter {
		if q.name() == name {
			return true
		}
	}
	return false
}

// name is that of the parameter, empty when it has none.
func (p parameter) name() string {
	name, _ := text(p["name"])
	return name
}

// text gives the one value of a parameter, which must be a string.
func (p parameter) text() (string, bool) {
	for member, raw := range p {
		if strings.HasPrefix(member, "value") && len(p) == 2 {
			return text(raw)
		}
	}
	return "", false
}

func text(raw jsontext.Value) (string, bool) {
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}
