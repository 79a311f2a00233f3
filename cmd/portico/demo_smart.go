package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// What everybody may know, since the demo is for loopback alone.
const (
	demoPassword = "portico-demo"
	demoSecret   = "portico-demo-secret" //nolint:gosec // meant to be known
)

// demo is the configuration as the demo clinic needs it, where nothing else was said.
func (s SMARTConfig) demo() SMARTConfig {
	plain := defaultSMART()
	if s.Place == plain.Place {
		s.Place = "Grünerløkka legesenter"
	}
	if s.Timezone == plain.Timezone {
		s.Timezone = "Europe/Oslo"
	}
	if s.Logins == plain.Logins {
		s.Logins = "urn:clinic:account"
	}
	return s
}

// demoAccount is one of those whom the demo clinic is about.
type demoAccount struct {
	account.Account
	about string
}

func demoAccounts() []demoAccount {
	patient, clinician := []account.Role{account.Patient}, []account.Role{account.Clinician}
	return []demoAccount{
		{account.Account{Login: "amy.shaw", Name: "Amy Shaw", Roles: patient, Person: fhir.Key{Type: "Patient", ID: "amy-shaw"}}, "an adult patient"},
		{account.Account{Login: "lena.shaw", Name: "Lena Shaw", Roles: patient, Person: fhir.Key{Type: "Patient", ID: "lena-shaw"}}, "a patient of 14"},
		{account.Account{Login: "tom.shaw", Name: "Tom Shaw", Roles: []account.Role{account.Patient, account.Proxy}, Person: fhir.Key{Type: "Patient", ID: "tom-shaw"}}, "her father, who acts for her and for Max, 6"},
		{account.Account{Login: "dr.okafor", Name: "Dr. Ngozi Okafor", Roles: clinician, Person: fhir.Key{Type: "Practitioner", ID: "dr-okafor"}}, "the doctor who treats them"},
		{account.Account{Login: "dr.lindt", Name: "Dr. Jürgen Lindt", Roles: clinician, Person: fhir.Key{Type: "Practitioner", ID: "dr-lindt"}}, "a doctor who does not"},
		{account.Account{Login: "admin", Name: "Iñaki Ødegård", Roles: []account.Role{account.Admin}}, "administers the server, and opens no record"},
	}
}

// demoScopes is the most that the demo's apps get.
const demoScopes = "launch launch/patient launch/encounter openid fhirUser profile online_access offline_access patient/*.cruds user/*.cruds"

// demoClients are the registered apps.
func demoClients(base string) ([]client.Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	people, _ := scope.Parse(demoScopes)
	system, _ := scope.Parse("system/*.cruds launch")
	secret, err := client.HashSecret(demoSecret)
	if err != nil {
		return nil, err
	}
	redirects := []string{"http://localhost:8080/demo/callback", "http://127.0.0.1:8080/demo/callback"}
	if own := base + "/demo/callback"; own != redirects[0] && own != redirects[1] {
		redirects = append(redirects, own)
	}
	code := []string{client.AuthorizationCode}
	return []client.Client{
		{ID: "demo-public", Name: "Portico demo app", Kind: client.Public, Redirects: redirects, Origins: []string{u.Scheme + "://" + u.Host}, LaunchURL: base + "/demo", Scopes: people, Grants: code},
		{ID: "demo-confidential", Name: "Portico demo app with a secret", Kind: client.Secret, SecretHash: secret, Redirects: redirects, LaunchURL: base + "/demo", Scopes: people, Grants: code},
		{ID: "demo-script", Name: "Portico demo script", Kind: client.Secret, SecretHash: secret, Scopes: system, Grants: []string{client.ClientCredentials}},
		{ID: "demo-backend", Name: "Portico demo backend", Kind: client.JWT, JWKS: clinic.BackendKeys(), Scopes: system, Grants: []string{client.ClientCredentials}},
	}, nil
}

// fillDemo makes the accounts, the apps, and what lets Tom act for his children, unless
// they are there.
func (a *authority) fillDemo(ctx context.Context, c Config) error {
	apps, err := demoClients(c.BaseURL)
	if err != nil {
		return fmt.Errorf("the demo's apps: %w", err)
	}
	for i := range apps {
		err := a.clients.Put(ctx, &apps[i]) // the port may be another than last time
		if errors.Is(err, client.ErrUnknown) {
			err = a.clients.Add(ctx, &apps[i])
		}
		if err != nil {
			return fmt.Errorf("the demo's apps: %w", err)
		}
	}
	for _, d := range demoAccounts() {
		if _, err := a.accounts.ByLogin(ctx, d.Login); !errors.Is(err, account.ErrUnknown) {
			if err != nil {
				return fmt.Errorf("the demo's accounts: %w", err)
			}
			continue
		}
		if _, err := a.accounts.Add(ctx, d.Account, demoPassword); err != nil && !errors.Is(err, account.ErrTaken) {
			return fmt.Errorf("the demo's accounts: %w", err)
		}
	}
	for _, child := range []string{"lena", "max"} {
		if err := a.grantDemo(ctx, child); err != nil {
			return fmt.Errorf("the demo's grants: %w", err)
		}
	}
	return nil
}

// grantDemo lets Tom act for a child of his, as the clinic would.
func (a *authority) grantDemo(ctx context.Context, child string) error {
	all, _ := scope.Parse("system/*.cruds")
	ctx = access.With(ctx, &access.Access{Kind: access.System, Client: "demo", Scopes: all})
	for _, d := range a.operations.Definitions() {
		if d.Code != "grant-proxy" {
			continue
		}
		_, err := d.Run(ctx, operation.Call{Key: fhir.Key{Type: "Consent"}, Body: []byte(`{"resourceType":"Parameters","parameter":[` +
			`{"name":"patient","valueReference":{"reference":"Patient/` + child + `-shaw"}},` +
			`{"name":"proxy","valueReference":{"reference":"RelatedPerson/tom-shaw-for-` + child + `"}},` +
			`{"name":"basis","valueCode":"parental"},{"name":"evidence","valueString":"birth certificate"}]}`)})
		if fhir.Is(err, fhir.CodeDuplicate) {
			return nil // from an earlier start
		}
		return err
	}
	return nil
}
