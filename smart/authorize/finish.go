package authorize

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/oauth"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/token"
	"github.com/portico-fhir/portico/store"
)

// Decision is what somebody who signed in decided about a request.
type Decision struct {
	Account   string // id of the account
	Actor     fhir.Key
	Kind      access.Kind
	Patient   string // logical id of the patient in context
	Encounter string // logical id
	Grant     string // of a Proxy
	Scopes    scope.Set
	AuthTime  time.Time // when they signed in
	Session   string
}

// Finish makes the code for a decision and gives where to send the browser. Agreement to
// nothing is a refusal. ErrUnknown when the request is unknown or over; a *PageError
// when the launch is for somebody else. Any other error is a fault of the server, and
// the request stays.
func (a *Authorizations) Finish(ctx context.Context, id string, d Decision) (redirect string, err error) {
	p, err := a.Pending(ctx, id)
	if err != nil {
		return "", err
	}
	if d.Scopes.Len() == 0 {
		return a.Deny(ctx, id, oauth.AccessDenied, "The person allowed nothing of what the app asked for.")
	}
	if err := p.check(&d); err != nil {
		return "", err
	}
	authorization := token.Authorization{
		Client: p.Client.ID, Kind: d.Kind, Account: d.Account, Actor: d.Actor, Patient: d.Patient, Encounter: d.Encounter, Grant: d.Grant,
		Scopes: d.Scopes, Session: d.Session, AuthTime: d.AuthTime,
	}
	if p.Launch != nil {
		authorization.Launch = p.Launch.Context
	}
	code, insert, err := a.Tokens.New(authorization, token.Request{Redirect: p.RedirectURI, Challenge: p.challenge, Nonce: p.Nonce})
	if err != nil {
		return "", err
	}
	if err := a.over(ctx, p, insert); err != nil {
		return "", err
	}
	return a.back(p.RedirectURI, p.state, "code", code), nil
}

// check holds a decision to what the request allows, and completes it from the launch.
func (p *Pending) check(d *Decision) error {
	switch {
	case d.Kind != access.Patient && d.Kind != access.Proxy && d.Kind != access.Clinician, d.Account == "", d.Actor == fhir.Key{}:
		return errors.New("nobody decided about the request")
	case (d.Kind == access.Proxy) != (d.Grant != ""):
		return errors.New("a proxy acts by a grant, and nobody else does")
	case !d.Scopes.Subset(p.Scopes):
		return errors.New("more was agreed to than was asked for")
	case p.Prompts("login") && d.AuthTime.Before(p.Created.Truncate(time.Second)):
		return errors.New("the app wants a new sign-in, but got an old one")
	case p.MaxAge != nil && d.AuthTime.Before(p.Created.Add(-*p.MaxAge).Truncate(time.Second)):
		return errors.New("the sign-in is older than the app wants it to be")
	}
	if l := p.Launch; l != nil {
		switch {
		case l.User != (fhir.Key{}) && l.User != d.Actor:
			return pageError("The app was launched by somebody else than who has signed in here.")
		case l.Patient != "" && l.Patient != d.Patient, l.Encounter != "" && d.Encounter != "" && l.Encounter != d.Encounter:
			return pageError("The app was launched for another chart.")
		}
		d.Encounter = l.Encounter
	}
	if d.Encounter == "" {
		d.Scopes = d.Scopes.Keep(func(s scope.Scope) bool { return s.Name != scope.LaunchEncounter })
	}
	if d.Patient == "" && (d.Scopes.Reaches(scope.Patient) || d.Scopes.Has(scope.LaunchPatient) || d.Kind != access.Clinician) {
		return errors.New("there is no patient for what was agreed to")
	}
	return nil
}

// Deny ends a request with an error for the app, and gives where to send the browser.
// ErrUnknown when the request is unknown or over.
func (a *Authorizations) Deny(ctx context.Context, id string, code oauth.Code, why string) (redirect string, err error) {
	p, err := a.Pending(ctx, id)
	if err != nil {
		return "", err
	}
	// That somebody would have to sign in first is answered without a trace: anybody
	// can have it answered, any number of times.
	if code == oauth.AccessDenied {
		if err := a.over(ctx, p); err != nil {
			return "", err
		}
	}
	return a.refusal(p.RedirectURI, p.state, oauth.Errorf(code, "%s", why)), nil
}

// over ends a request, doing more in the same Apply; ErrUnknown when somebody else has.
func (a *Authorizations) over(ctx context.Context, p *Pending, more ...store.Op) error {
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: hashed(p.ID)}, {Key: "gone", Value: p.Created.Add(pendingLife)}})
	if err != nil {
		return err
	}
	end := store.Op{Kind: store.Insert, Collection: pendings, Doc: doc}
	err = a.Store.Apply(ctx, append([]store.Op{end}, more...))
	if errors.Is(err, store.ErrExists) {
		return ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("end an authorization request: %w", err)
	}
	return nil
}
