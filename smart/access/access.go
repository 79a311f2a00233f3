package access

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// Kind says in what role somebody acts.
type Kind uint8

// The kinds. The zero value is nobody, who may do nothing.
const (
	Patient   Kind = iota + 1 // a patient in their own record
	Proxy                     // somebody who acts for a patient
	Clinician                 // a professional, in the records of those they treat
	System                    // a client by itself (backend services)
)

// String names the kind, for logs and stored documents.
func (k Kind) String() string {
	switch k {
	case Patient:
		return "patient"
	case Proxy:
		return "proxy"
	case Clinician:
		return "clinician"
	case System:
		return "system"
	}
	return "nobody"
}

// ParseKind is the inverse of String; 0 for anything else.
func ParseKind(s string) Kind {
	for k := Patient; k <= System; k++ {
		if k.String() == s {
			return k
		}
	}
	return 0
}

// Access is what a verified token stands for. It is shared by the requests of the
// token and read-only.
type Access struct {
	Kind Kind
	// Actor is the person who acts, fhirUser: a Patient, RelatedPerson or
	// Practitioner; zero for System.
	Actor fhir.Key
	// Patient and Encounter are the logical ids of those in context; empty when
	// there are none.
	Patient, Encounter string
	Scopes             scope.Set
	Account            string // id of the local account; empty for System
	Client             string // client_id
	Grant              string // id of the ProxyGrant, for Proxy
	Token              string // id of the authorization, the same after a refresh
	Terms              string // what the grant permits now, for Proxy: another when that is narrowed
	// Opened is what the grant permitted at Asked, for Proxy; nil: nobody has asked.
	Opened *policy.Effective
	Asked  time.Time

	caller string // what Caller gives, when that is known already
}

// Shared gives a copy of a for use by many requests: it knows its Caller.
func (a Access) Shared() *Access {
	a.caller = a.Caller()
	return &a
}

// Under gives a with what its grant permits at a moment. What was kept for the caller
// under other terms (answers, positions) is somebody else's then.
func (a *Access) Under(now *policy.Effective, at time.Time) *Access {
	c := *a
	c.Terms, c.Opened, c.Asked, c.caller = now.Terms, now, at, ""
	if a.Terms == "" {
		c.caller = named(a.Caller(), now.Terms)
	}
	return &c
}

// key is that of the Access in a context.
type key struct{}

// With gives a context that carries a.
func With(ctx context.Context, a *Access) context.Context {
	return context.WithValue(ctx, key{}, a)
}

// From gives the Access that a context carries, nil when there is none.
func From(ctx context.Context) *Access {
	a, _ := ctx.Value(key{}).(*Access)
	return a
}

// Caller names the caller, for what is bound to one, such as the positions of
// pages: the same for another token only when that stands for the same person,
// patient, client, scopes and terms. The name of nobody is "nobody".
func (a *Access) Caller() string {
	if a == nil || a.Kind == 0 {
		return Kind(0).String()
	}
	if a.caller != "" {
		return a.caller
	}
	var b strings.Builder
	b.WriteString(a.Kind.String())
	for _, part := range []string{a.Account, a.Actor.String(), a.Patient, a.Client, a.Grant, a.Scopes.String()} {
		b.WriteByte(' ')
		b.WriteString(strconv.Quote(part))
	}
	return named(b.String(), a.Terms)
}

// named adds the terms to the name of a caller.
func named(caller, terms string) string {
	if terms == "" {
		return caller
	}
	return caller + " " + strconv.Quote(terms)
}
