package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/account"
)

// Rule says who somebody is by claims. The first rule that fits decides. The name of a
// claim may lead into objects with dots.
type Rule struct {
	// Where lists claims and what they must be or, if they are lists, hold; nil: the
	// rule fits everybody.
	Where map[string]string
	// Type is Patient or Practitioner, whose record the person then is; or
	// Person: somebody without a record here, who may act for patients.
	Type fhir.Type
	// Claim is the claim that says whose record; none for Person.
	Claim string
	// System is that of the business identifier which the claim holds; empty: the
	// claim holds the id of the record, or a reference to it (Patient/123).
	System string
	// Roles are what the person may sign in as; nil: what fits the Type.
	Roles []account.Role
}

// Lookup finds the one resource of a type with a business identifier. ok is false when
// there is none, or more than one.
type Lookup func(ctx context.Context, t fhir.Type, system, value string) (key fhir.Key, ok bool, err error)

// Validate says what is wrong with the rule.
func (r Rule) Validate() error {
	var faults []error
	if (r.Claim == "") != (r.Type == "Person") {
		faults = append(faults, errors.New("a rule for Patient or Practitioner names the claim that says which; one for Person has none"))
	}
	if r.Type == "Person" && r.System != "" {
		faults = append(faults, errors.New("a rule for Person has no system"))
	}
	if !slices.Contains([]fhir.Type{"Patient", "Practitioner", "Person"}, r.Type) {
		faults = append(faults, fmt.Errorf("the type must be Patient, Practitioner or Person, not %q", r.Type))
	}
	probe := account.Account{Roles: r.roles()}
	if r.Type != "Person" {
		probe.Person = fhir.Key{Type: r.Type, ID: "x"}
	}
	return errors.Join(append(faults, probe.Validate())...)
}

func (r Rule) roles() []account.Role {
	switch {
	case r.Roles != nil:
		return r.Roles
	case r.Type == "Patient":
		return []account.Role{account.Patient, account.Proxy}
	case r.Type == "Practitioner":
		return []account.Role{account.Clinician}
	}
	return []account.Role{account.Proxy}
}

// Identify says who somebody is by verified claims: the first rule that fits decides.
// ErrUnmapped when none does.
func (p *Provider) Identify(ctx context.Context, claims map[string]any) (account.Account, error) {
	name, _ := claims["name"].(string)
	if len(name) > 200 {
		name = ""
	}
	for _, r := range p.Rules {
		if !r.fits(claims) {
			continue
		}
		who := account.Account{Name: name, Roles: r.roles()}
		if r.Type == "Person" {
			return who, nil
		}
		values := texts(claims, r.Claim)
		if len(values) != 1 || values[0] == "" {
			continue
		}
		key, ok, err := p.record(ctx, r, values[0])
		if err != nil {
			return account.Account{}, err
		}
		if ok {
			who.Person = key
			return who, nil
		}
	}
	return account.Account{}, ErrUnmapped
}

// record finds the record that a claim names.
func (p *Provider) record(ctx context.Context, r Rule, value string) (fhir.Key, bool, error) {
	if r.System != "" {
		if p.Lookup == nil {
			return fhir.Key{}, false, fmt.Errorf("upstream %s: a rule has a system, but nothing looks identifiers up", p.ID)
		}
		return p.Lookup(ctx, r.Type, r.System, value)
	}
	if !strings.Contains(value, "/") {
		return fhir.Key{Type: r.Type, ID: value}, fhir.ValidID(value), nil
	}
	key, ok := account.ParsePerson(value)
	return key, ok && key.Type == r.Type, nil
}

// fits reports whether all claims are what the rule wants.
func (r Rule) fits(claims map[string]any) bool {
	for name, want := range r.Where {
		if !slices.Contains(texts(claims, name), want) {
			return false
		}
	}
	return true
}

// texts gives what a claim holds, in text.
func texts(claims map[string]any, name string) []string {
	at, whole := claims[name] // names may have dots in them, as URLs do
	if !whole {
		at = any(claims)
		for part := range strings.SplitSeq(name, ".") {
			object, _ := at.(map[string]any)
			at = object[part]
		}
	}
	list, isList := at.([]any)
	if !isList {
		list = []any{at}
	}
	var all []string
	for _, v := range list {
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case float64:
			all = append(all, strconv.FormatFloat(v, 'f', -1, 64))
		case bool:
			all = append(all, strconv.FormatBool(v))
		}
	}
	return all
}
