package foreign

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/scope"
)

// access makes what the claims of a verified token stand for.
func (t *Tokens) access(ctx context.Context, i *Issuer, token *oidc.IDToken) (*access.Access, error) {
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return nil, refuse(err)
	}
	c := i.Claims
	a := &access.Access{
		Patient: text(claims, c.Patient, "patient"), Encounter: text(claims, c.Encounter, "encounter"),
		Client: text(claims, c.Client, "client_id"), Account: i.URL + "|" + token.Subject,
	}
	if a.Client == "" && c.Client == "" {
		a.Client = text(claims, "azp", "")
	}
	var err error
	if a.Actor, err = t.who(ctx, i, claims); err != nil {
		return nil, err
	}
	asked, _ := scope.Parse(scopes(claims, c.Scope)) // what is not understood opens nothing
	a.Scopes = asked.Intersect(i.Scopes)
	// Somebody of whom nothing is known here is not a system.
	alone := i.System && !asked.Reaches(scope.User) && !asked.Reaches(scope.Patient) && !asked.Has(scope.OpenID)
	if err := place(a, alone); err != nil {
		return nil, refuse(err)
	}
	return a, nil
}

// who is the person who acts; the zero Key when the token names none.
func (t *Tokens) who(ctx context.Context, i *Issuer, claims map[string]any) (fhir.Key, error) {
	if i.Who != nil {
		key, err := i.Who(ctx, claims)
		if err != nil {
			return fhir.Key{}, fmt.Errorf("find who a token is about: %w", err)
		}
		return key, nil
	}
	said := text(claims, i.Claims.User, "fhirUser")
	if said == "" {
		return fhir.Key{}, nil
	}
	ref := fhir.ParseReference(said, t.FHIR)
	if ref.Kind != fhir.RefLocal || ref.Version != "" || ref.Fragment != "" {
		return fhir.Key{}, refuse(errors.New("the person is not one of this server"))
	}
	return ref.Key, nil
}

// place gives the caller the kind that fits who acts, and the scopes that fit the kind.
func place(a *access.Access, system bool) error {
	people := func(s scope.Scope) bool { return s.Context != scope.System }
	switch a.Actor.Type {
	case "Patient":
		if a.Patient != "" && a.Patient != a.Actor.ID {
			return errors.New("a patient acts for somebody else, which takes a grant of this server")
		}
		a.Kind, a.Patient, a.Scopes = access.Patient, a.Actor.ID, a.Scopes.Keep(people)
	case "Practitioner":
		a.Kind, a.Scopes = access.Clinician, a.Scopes.Keep(people)
		if a.Patient == "" {
			a.Scopes = a.Scopes.Keep(func(s scope.Scope) bool { return s.Context != scope.Patient })
		}
	case "":
		if !system || a.Client == "" {
			return errors.New("there is no person, and tokens without one are not accepted")
		}
		a.Kind, a.Patient, a.Encounter, a.Account = access.System, "", "", ""
		a.Scopes = a.Scopes.Keep(func(s scope.Scope) bool { return s.Context == scope.System })
	default:
		return errors.New("the person is neither a Patient nor a Practitioner")
	}
	switch {
	case a.Scopes.Len() == 0:
		return errors.New("no scope is left of what the issuer may give")
	case a.Patient != "" && !fhir.ValidID(a.Patient), a.Encounter != "" && !fhir.ValidID(a.Encounter):
		return errors.New("patient or encounter is not a logical id")
	}
	return nil
}

// text is a claim that holds text; "" for others.
func text(claims map[string]any, name, otherwise string) string {
	if name == "" {
		name = otherwise
	}
	s, _ := claims[name].(string)
	return s
}

// scopes are those of a claim that holds text or a list.
func scopes(claims map[string]any, name string) string {
	if s := text(claims, name, "scope"); s != "" {
		return s
	}
	if name == "" {
		name = "scope"
	}
	list, _ := claims[name].([]any)
	var all []string
	for _, one := range list {
		if s, ok := one.(string); ok {
			all = append(all, s)
		}
	}
	return strings.Join(all, " ")
}
