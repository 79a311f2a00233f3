package grant

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// proposed makes the grant that is asked for, when the caller may give it.
func (o *Operations) proposed(ctx context.Context, a *access.Access, in input) (Grant, error) {
	if in.patient == (fhir.Key{}) && a.Patient != "" {
		in.patient = fhir.Key{Type: "Patient", ID: a.Patient}
	}
	switch {
	case in.patient == (fhir.Key{}):
		return Grant{}, required("patient")
	case in.basis == "":
		return Grant{}, required("basis")
	case a.Kind == access.Proxy:
		return Grant{}, fhir.Errorf(fhir.CodeForbidden, "", "Somebody who acts for a patient cannot let others act for them.")
	case a.Kind == access.Patient && (in.login != "" || in.related != nil):
		// Else patients could ask who has an account.
		return Grant{}, fhir.Errorf(fhir.CodeForbidden, "", "Only the clinic can say who somebody is: give the proxy, one of your RelatedPersons.")
	case a.Kind == access.Patient && in.patient.ID != a.Patient:
		return Grant{}, fhir.Errorf(fhir.CodeNotFound, "", "There is no %s.", in.patient)
	}
	if _, err := o.Guarded.Read(ctx, in.patient); err != nil {
		return Grant{}, err
	}
	subject, err := o.Grants.subject(ctx, in.patient.ID)
	if err != nil {
		return Grant{}, err
	}
	now := o.Grants.now()
	g := Grant{
		Grant: policy.Grant{
			ID: record.NewID(), Patient: in.patient.ID, Basis: in.basis, Active: true, NotBefore: in.from, NotAfter: in.until,
			Categories: in.categories, Actions: in.actions, Ordered: in.ordered, Reviewed: now,
		},
		Status: Active, Epoch: 1, Evidence: in.evidence, Policy: o.Grants.Policy.Version, Made: now, Used: now, By: a.Actor.String(),
	}
	if a.Kind == access.System {
		g.By = a.Client
	}
	if g.NotBefore.IsZero() {
		g.NotBefore = now
	}
	basis, known := o.Grants.Policy.Bases[in.basis]
	if !known {
		return Grant{}, fhir.Errorf(fhir.CodeCodeInvalid, "Parameters.parameter", "There is no basis %q.", in.basis)
	}
	band := o.Grants.Policy.BandOf(g.Grant, subject.Subject, now, o.Grants.Location)
	g.Crossed = band
	if basis.Longest > 0 && (g.NotAfter.IsZero() || g.NotAfter.Sub(g.NotBefore) > basis.Longest) {
		g.NotAfter = g.NotBefore.Add(basis.Longest)
	}
	return g, may(a, g, band, o.Grants.Policy)
}

func required(name string) error {
	return fhir.Errorf(fhir.CodeRequired, "Parameters.parameter", "The parameter %s is wanted.", name)
}

// may says whether the caller may give such a grant: patients what is theirs to give at
// their age, those who treat them and the clinic's systems the others, on evidence.
func may(a *access.Access, g Grant, band policy.Band, p *policy.Policy) error {
	switch {
	case a.Kind == access.Patient && g.Basis == "adult-delegated" && band == policy.Adult:
	case a.Kind == access.Patient && g.Basis == "teen-assented" && band == policy.Teen:
	case a.Kind == access.Patient:
		return fhir.Errorf(fhir.CodeForbidden, "", "At this age a patient cannot give a grant of the basis %s: the clinic does.", g.Basis)
	case g.Evidence == "":
		return fhir.Errorf(fhir.CodeRequired, "Parameters.parameter", "The parameter evidence is wanted: say what this is granted on.")
	}
	column, ok := p.ColumnOf(g.Grant, band)
	if !ok {
		return fhir.Errorf(fhir.CodeBusinessRule, "", "A grant of the basis %s has no effect for a patient of that age (%s).", g.Basis, band)
	}
	if column.Named && len(g.Categories) == 0 {
		return fhir.Errorf(fhir.CodeRequired, "Parameters.parameter", "Such a grant opens only what it names: give at least one category.")
	}
	return nil
}

// proxy finds or makes the RelatedPerson who is to act, and their account.
func (o *Operations) proxy(ctx context.Context, in input, g *Grant) (made []fhir.Change, err error) {
	var body json.RawMessage
	switch {
	case (in.proxy == fhir.Key{}) == (in.related == nil):
		return nil, fhir.Errorf(fhir.CodeRequired, "Parameters.parameter", "Either proxy or relatedPerson is wanted: who is to act.")
	case in.related != nil:
		if err := permits(access.From(ctx), "RelatedPerson", scope.Create); err != nil {
			return nil, err
		}
		body, g.Proxy = in.related, fhir.Key{Type: "RelatedPerson", ID: record.NewID()}
		if !o.Grants.Repository.Describe("RelatedPerson").Create {
			return nil, fhir.Errorf(fhir.CodeNotSupported, "Parameters.parameter", "A RelatedPerson cannot be made here: the clinic keeps them. Give a proxy.")
		}
		if _, err := o.Validator.Validate(body, "RelatedPerson"); err != nil {
			return nil, err
		}
		made = []fhir.Change{{Method: fhir.Create, Key: g.Proxy, Body: body}}
	default:
		g.Proxy = in.proxy
		res, err := o.Grants.Repository.Read(ctx, in.proxy)
		if err != nil {
			return nil, o.notTheirs(in.proxy, err)
		}
		body = res.Body
	}
	person, err := readPerson(body)
	if err != nil {
		return nil, err
	}
	if r := fhir.ParseReference(person.Patient.Reference, o.Base); r.Kind != fhir.RefLocal || r.Key != (fhir.Key{Type: "Patient", ID: g.Patient}) {
		return nil, o.notTheirs(g.Proxy, nil)
	}
	if person.Active != nil && !*person.Active {
		return nil, fhir.Errorf(fhir.CodeBusinessRule, "Parameters.parameter", "%s is not active.", g.Proxy)
	}
	return made, o.account(ctx, in, person, g)
}

// notTheirs answers alike for a RelatedPerson who is not there and for one of somebody else.
func (o *Operations) notTheirs(key fhir.Key, err error) error {
	if err != nil && !isClients(err) {
		return err
	}
	return fhir.Errorf(fhir.CodeBusinessRule, "Parameters.parameter", "%s is no RelatedPerson of this patient.", key)
}

// person is what counts of a RelatedPerson.
type person struct {
	Active     *bool     `json:"active"`
	Patient    reference `json:"patient"`
	Identifier []struct {
		System string `json:"system"`
		Value  string `json:"value"`
	} `json:"identifier"`
}

func readPerson(body []byte) (p person, err error) {
	if err := json.Unmarshal(body, &p); err != nil {
		return p, fhir.Errorf(fhir.CodeStructure, "RelatedPerson", "The RelatedPerson cannot be read.").Because(err)
	}
	return p, nil
}

// account finds whose login the RelatedPerson has.
func (o *Operations) account(ctx context.Context, in input, p person, g *Grant) error {
	login := in.login
	for _, id := range p.Identifier {
		if id.System == o.Logins && login == "" {
			login = id.Value
		}
	}
	who, err := o.whose(ctx, login, p)
	switch {
	case login == "" && errors.Is(err, account.ErrUnknown):
		return fhir.Errorf(fhir.CodeBusinessRule, "Parameters.parameter",
			"It is not known which account is that of %s: the RelatedPerson has no identifier of the system %s, none of an identity provider that the person has signed in at, and no login is given.", g.Proxy, o.Logins)
	case errors.Is(err, account.ErrUnknown) || (err == nil && who.Disabled):
		return fhir.Errorf(fhir.CodeBusinessRule, "Parameters.parameter", "There is no account for %s.", g.Proxy)
	case err != nil:
		return err
	case who.Is(fhir.Key{Type: "Patient", ID: g.Patient}):
		return fhir.Errorf(fhir.CodeBusinessRule, "Parameters.parameter", "Nobody is a proxy for themselves.")
	}
	g.Account = who.ID
	return nil
}

// whose gives the account with a login; without one that which an identity provider vouches
// for under an identifier of the RelatedPerson: its system is the issuer, its value the
// subject.
func (o *Operations) whose(ctx context.Context, login string, p person) (account.Account, error) {
	if login != "" {
		return o.Accounts.ByLogin(ctx, login)
	}
	for _, id := range p.Identifier {
		who, err := o.Accounts.ByUpstream(ctx, id.System, id.Value)
		if !errors.Is(err, account.ErrUnknown) {
			return who, err
		}
	}
	return account.Account{}, account.ErrUnknown
}
