package grant

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/store"
)

// Validator accepts or refuses a resource of a type.
type Validator interface {
	Validate(body []byte, want fhir.Type) (schema.Info, error)
}

// Operations are the operations on grants. All fields are set before the first use; it is
// then safe for concurrent use.
type Operations struct {
	Grants   *Grants
	Accounts *account.Accounts
	// Guarded is the repository as the caller may see it.
	Guarded   fhir.Repository
	Validator Validator
	Base      string // the server's FHIR base URL
	// Logins is the system of the identifier by which a RelatedPerson names the login
	// of the account that is theirs.
	Logins string
}

const definitions = "https://portico-fhir.github.io/OperationDefinition/"

// Definitions gives the operations to mount: those that write only where Consents can be
// written.
func (o *Operations) Definitions() []operation.Definition {
	all := []operation.Definition{{Code: "my-patients", URL: definitions + "my-patients", Run: o.mine}}
	if can := o.Grants.Repository.Describe("Consent"); !can.Create || !can.Update {
		return all
	}
	return append(
		all,
		operation.Definition{Code: "grant-proxy", URL: definitions + "Consent-grant-proxy", Type: "Consent", TakesBody: true, Writes: true, Run: o.grant},
		operation.Definition{Code: "narrow-proxy", URL: definitions + "Consent-narrow-proxy", Type: "Consent", Instance: true, TakesBody: true, Writes: true, Run: o.narrow},
		operation.Definition{Code: "revoke-proxy", URL: definitions + "Consent-revoke-proxy", Type: "Consent", Instance: true, TakesBody: true, Writes: true, Run: o.revoke},
	)
}

// grant carries out Consent/$grant-proxy.
func (o *Operations) grant(ctx context.Context, c operation.Call) (operation.Result, error) {
	a := access.From(ctx)
	if err := permits(a, "Consent", scope.Create); err != nil {
		return operation.Result{}, err
	}
	in, err := o.read(c, "patient", "proxy", "relatedPerson", "login", "basis", "category", "action", "period", "evidence", "ordered")
	if err != nil {
		return operation.Result{}, err
	}
	g, err := o.proposed(ctx, a, in)
	if err != nil {
		return operation.Result{}, err
	}
	made, err := o.proxy(ctx, in, &g)
	if err != nil {
		return operation.Result{}, err
	}
	if err := o.first(ctx, g); err != nil {
		return operation.Result{}, err
	}
	body, err := g.consent()
	if err != nil {
		return operation.Result{}, err
	}
	changes := append(made, fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: "Consent", ID: g.ID}, Body: body})
	return o.commit(ctx, changes, func() (store.Op, error) {
		doc, err := g.marshal()
		return store.Op{Kind: store.Insert, Collection: collection, Doc: doc}, err
	})
}

// commit writes the resources together with the document that is enforced, and answers
// with the last of them, the Consent.
func (o *Operations) commit(ctx context.Context, changes []fhir.Change, op func() (store.Op, error)) (operation.Result, error) {
	ctx = commit.Beside(ctx, func([]fhir.Result) ([]store.Op, error) {
		made, err := op()
		return []store.Op{made}, err
	})
	results, err := o.Grants.Repository.Commit(ctx, changes)
	if err != nil {
		return operation.Result{}, err
	}
	return operation.Result{Parameters: results[len(results)-1].Resource.Body}, nil
}

// first refuses a second grant beside one that is in force for the same.
func (o *Operations) first(ctx context.Context, g Grant) error {
	all, err := o.Grants.of(ctx, g.Account)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Status == Active && other.Patient == g.Patient && other.Basis == g.Basis && (other.NotAfter.IsZero() || other.NotAfter.After(o.Grants.now())) {
			return fhir.Errorf(fhir.CodeDuplicate, "", "There is such a grant already: Consent/%s. Narrow or revoke that one.", other.ID)
		}
	}
	return nil
}

// narrow carries out Consent/[id]/$narrow-proxy: less of what was granted, never more.
func (o *Operations) narrow(ctx context.Context, c operation.Call) (operation.Result, error) {
	in, err := o.read(c, "category", "action", "period")
	if err != nil {
		return operation.Result{}, err
	}
	return o.change(ctx, c, func(g *Grant) error {
		if in.categories == nil && in.actions == nil && in.until.IsZero() {
			return fhir.Errorf(fhir.CodeRequired, "Parameters.parameter", "Say what is left of the grant: category, action or period.")
		}
		if in.categories != nil {
			if i := slices.IndexFunc(in.categories, func(s string) bool { return g.Categories != nil && !slices.Contains(g.Categories, s) }); i >= 0 {
				return fhir.Errorf(fhir.CodeBusinessRule, "Parameters.parameter", "The grant does not have the category %s: it cannot be widened.", in.categories[i])
			}
			g.Categories = in.categories
		}
		if in.actions != nil {
			if i := slices.IndexFunc(in.actions, func(s policy.Action) bool { return g.Actions != nil && !slices.Contains(g.Actions, s) }); i >= 0 {
				return fhir.Errorf(fhir.CodeBusinessRule, "Parameters.parameter", "The grant does not have the action %s: it cannot be widened.", in.actions[i])
			}
			g.Actions = in.actions
		}
		if !in.until.IsZero() {
			if !g.NotAfter.IsZero() && in.until.After(g.NotAfter) {
				return fhir.Errorf(fhir.CodeBusinessRule, "Parameters.parameter", "The grant ends before that: it cannot be made longer.")
			}
			g.NotAfter = in.until
		}
		return nil
	})
}

// revoke carries out Consent/[id]/$revoke-proxy. When it was acknowledged, the next request
// of the proxy on any node is refused.
func (o *Operations) revoke(ctx context.Context, c operation.Call) (operation.Result, error) {
	if _, err := o.read(c); err != nil {
		return operation.Result{}, err
	}
	return o.change(ctx, c, func(g *Grant) error {
		g.Status, g.Active = Revoked, false
		return nil
	})
}

// change writes a grant anew, and its Consent. Whoever sees the Consent may make less of
// it: the patient, the proxy, who treats the patient.
func (o *Operations) change(ctx context.Context, c operation.Call, edit func(*Grant) error) (operation.Result, error) {
	if err := permits(access.From(ctx), "Consent", scope.Update); err != nil {
		return operation.Result{}, err
	}
	seen, err := o.Guarded.Read(ctx, c.Key)
	if err != nil {
		return operation.Result{}, err
	}
	g, ok, err := o.Grants.Get(ctx, c.Key.ID)
	switch {
	case err != nil:
		return operation.Result{}, err
	case !ok:
		return operation.Result{}, fhir.Errorf(fhir.CodeBusinessRule, "", "%s is not one of a proxy that was granted here.", c.Key)
	case g.Status != Active:
		return operation.Result{Parameters: seen.Body}, nil // revoked already
	}
	epoch := g.Epoch
	if err := edit(&g); err != nil {
		return operation.Result{}, err
	}
	g.Epoch++
	body, err := g.consent()
	if err != nil {
		return operation.Result{}, err
	}
	changes := []fhir.Change{{Method: fhir.Put, Key: c.Key, Body: body}}
	return o.commit(ctx, changes, func() (store.Op, error) {
		doc, err := g.marshal()
		return store.Op{
			Kind: store.Replace, Collection: collection, ID: store.String(g.ID), Doc: doc,
			If: store.Eq{Path: "epoch", Value: store.V(epoch)},
		}, err
	})
}

// permits asks the scopes for a type.
func permits(a *access.Access, t fhir.Type, want scope.Letters) error {
	context := map[access.Kind]scope.Context{access.Patient: scope.Patient, access.Proxy: scope.Patient, access.Clinician: scope.User, access.System: scope.System}
	if a != nil {
		if granted, filters := a.Scopes.Allows(context[a.Kind], t, want); granted && filters == nil {
			return nil
		}
		if granted, filters := a.Scopes.Allows(scope.User, t, want); granted && filters == nil && a.Kind != access.System {
			return nil
		}
	}
	return fhir.Errorf(fhir.CodeForbidden, "", "This token does not permit that on %s: it wants a scope such as patient/%[1]s.%s.", t, want)
}

// told gives those of the choices that an app may hear of: with a scope for the Patients
// whom the user may see all of them, else the one that the token is for; their names only
// if it may read Patients at all.
func told(a *access.Access, choices []Choice) []Choice {
	all, filters := a.Scopes.Allows(scope.User, "Patient", scope.Read)
	if all && filters == nil {
		return choices
	}
	of := func(c Choice) bool { return a.Patient != "" && c.Patient.ID == a.Patient }
	kept := slices.DeleteFunc(slices.Clone(choices), func(c Choice) bool { return !of(c) })
	if permits(a, "Patient", scope.Read) != nil {
		for i := range kept {
			kept[i].Name = ""
		}
	}
	return kept
}

// mine carries out $my-patients: for whom the account of the caller may act now.
func (o *Operations) mine(ctx context.Context, c operation.Call) (operation.Result, error) {
	if len(c.Params) > 0 {
		return operation.Result{}, fhir.Errorf(fhir.CodeInvalid, "http.query", "$my-patients takes no parameter %q.", c.Params[0].Name)
	}
	a := access.From(ctx)
	if a == nil || a.Account == "" {
		return operation.Result{}, fhir.Errorf(fhir.CodeForbidden, "", "$my-patients is for people who signed in.")
	}
	who, err := o.Accounts.Get(ctx, a.Account)
	if err != nil {
		return operation.Result{}, err
	}
	choices, err := o.Grants.Choices(ctx, &who)
	if err != nil {
		return operation.Result{}, err
	}
	type part struct {
		Name      string     `json:"name"`
		Reference *reference `json:"valueReference,omitempty"`
		Code      string     `json:"valueCode,omitempty"`
		Until     string     `json:"valueInstant,omitempty"`
	}
	type entry struct {
		Name string `json:"name"`
		Part []part `json:"part"`
	}
	answer := struct {
		ResourceType string  `json:"resourceType"`
		Parameter    []entry `json:"parameter,omitempty"`
	}{ResourceType: "Parameters"}
	for _, choice := range told(a, choices) {
		e := entry{Name: "patient", Part: []part{
			{Name: "patient", Reference: &reference{choice.Patient.String(), choice.Name}},
			{Name: "actor", Reference: &reference{Reference: choice.Actor.String()}},
		}}
		if choice.Grant != "" {
			e.Part = append(e.Part, part{Name: "consent", Reference: &reference{Reference: "Consent/" + choice.Grant}}, part{Name: "basis", Code: choice.Basis})
			for _, name := range choice.Now.Categories() {
				e.Part = append(e.Part, part{Name: "category", Code: name})
			}
			if !choice.Now.Until.IsZero() {
				e.Part = append(e.Part, part{Name: "until", Until: choice.Now.Until.UTC().Format("2006-01-02T15:04:05.000Z")})
			}
		}
		answer.Parameter = append(answer.Parameter, e)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return operation.Result{}, fmt.Errorf("my-patients: %w", err)
	}
	return operation.Result{Parameters: body}, nil
}
