package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/grant"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/upstream"
)

// SMARTConfig is the authorization server and the policy.
type SMARTConfig struct {
	// Place is the name of the practice, as people read it on the pages.
	Place string `yaml:"place"`
	// Timezone is that of the clinic, in which birthdays begin; empty: search.timezone.
	Timezone string `yaml:"timezone"`
	// Policy is a file that takes the place of the policy that Portico comes with.
	Policy string `yaml:"policy"`
	// Logins is the system of the identifier by which a RelatedPerson names the login of
	// the account that is theirs.
	Logins string `yaml:"logins"`
	// Passwords says whether local accounts can sign in.
	Passwords bool             `yaml:"passwords"`
	Sessions  SessionsConfig   `yaml:"sessions"`
	Tokens    TokensConfig     `yaml:"tokens"`
	Providers []ProviderConfig `yaml:"providers"`
	Issuers   []IssuerConfig   `yaml:"issuers"`
	// Networks are private networks in which the key sets of apps may be.
	Networks []netip.Prefix `yaml:"networks"`
	// Operators are the client_ids of backend services that may do what else is for the
	// command line.
	Operators []string `yaml:"operators"`
	// Unused is how long a grant of a proxy has effect without being used.
	Unused time.Duration `yaml:"unused"`
}

// SessionsConfig says how long a browser stays signed in.
type SessionsConfig struct {
	Idle     time.Duration `yaml:"idle"`
	Absolute time.Duration `yaml:"absolute"`
}

// TokensConfig says how long tokens are good for.
type TokensConfig struct {
	Access  time.Duration `yaml:"access"`
	System  time.Duration `yaml:"system"`
	Refresh time.Duration `yaml:"refresh"`
}

// ProviderConfig is an OpenID Connect provider that people can sign in at.
type ProviderConfig struct {
	ID         string       `yaml:"id"`
	Name       string       `yaml:"name"`
	Issuer     string       `yaml:"issuer"`
	ClientID   string       `yaml:"client-id"`
	SecretFile string       `yaml:"secret-file"`
	Scopes     []string     `yaml:"scopes"`
	Userinfo   bool         `yaml:"userinfo"`
	People     []RuleConfig `yaml:"people"`
}

// RuleConfig says who somebody is by the claims of a provider.
type RuleConfig struct {
	Where  map[string]string `yaml:"where"`
	Type   fhir.Type         `yaml:"type"`
	Claim  string            `yaml:"claim"`
	System string            `yaml:"system"`
	Roles  []account.Role    `yaml:"roles"`
}

func defaultSMART() SMARTConfig {
	return SMARTConfig{
		Logins: "urn:portico:login", Passwords: true, Unused: grant.DefaultUnused,
		Sessions: SessionsConfig{Idle: account.DefaultIdle, Absolute: account.DefaultAbsolute},
		Tokens:   TokensConfig{Access: time.Hour, System: 5 * time.Minute, Refresh: 100 * 24 * time.Hour},
	}
}

// validate reports what is wrong by check.
func (s SMARTConfig) validate(check func(ok bool, format string, args ...any)) {
	_, err := time.LoadLocation(s.Timezone)
	check(err == nil, "smart.timezone %q is not known; take a name as Europe/Oslo", s.Timezone)
	check(s.Logins != "", "smart.logins must be the system of an identifier, as urn:portico:login")
	check(s.Passwords || len(s.Providers) > 0, "smart.passwords is false and there are no smart.providers: nobody could sign in")
	check(s.Sessions.Idle > 0 && s.Sessions.Absolute >= s.Sessions.Idle, "smart.sessions.idle must be more than 0 and at most smart.sessions.absolute")
	check(s.Tokens.Access > 0 && s.Tokens.Access <= time.Hour, "smart.tokens.access must be more than 0 and at most 1h")
	check(s.Tokens.System > 0 && s.Tokens.System <= 5*time.Minute, "smart.tokens.system must be more than 0 and at most 5m")
	check(s.Tokens.Refresh >= s.Tokens.Access, "smart.tokens.refresh must be at least smart.tokens.access")
	check(s.Unused > 0, "smart.unused must be more than 0")
	check(!slices.Contains(s.Operators, ""), "smart.operators: an entry is empty; list client_ids of backend services")
	ids := make(map[string]bool)
	for _, p := range s.Providers {
		check(!ids[p.ID], "smart.providers: there are two of the id %q", p.ID)
		ids[p.ID] = true
		provider := p.provider("http://localhost/auth/upstream/callback")
		err := provider.Validate()
		check(err == nil, "smart.providers: %s: %v", p.ID, err)
	}
	issuers := make(map[string]bool)
	for _, i := range s.Issuers {
		check(!issuers[i.Issuer], "smart.issuers: there are two of %s", i.Issuer)
		issuers[i.Issuer] = true
		err := i.validate()
		check(err == nil, "smart.issuers: %s: %v", i.Issuer, err)
	}
}

// provider is the provider without its secret and what it needs of the server.
func (p ProviderConfig) provider(redirect string) *upstream.Provider {
	return &upstream.Provider{
		ID: p.ID, Name: p.Name, Issuer: p.Issuer, ClientID: p.ClientID, Redirect: redirect, Scopes: p.Scopes, Userinfo: p.Userinfo, Rules: rules(p.People),
	}
}

func rules(people []RuleConfig) []upstream.Rule {
	var all []upstream.Rule
	for _, r := range people {
		all = append(all, upstream.Rule{Where: r.Where, Type: r.Type, Claim: r.Claim, System: r.System, Roles: r.Roles})
	}
	return all
}

// policy reads the policy.
func (s SMARTConfig) policy() (*policy.Policy, error) {
	if s.Policy == "" {
		return policy.Default()
	}
	f, err := os.Open(s.Policy)
	if err != nil {
		return nil, fmt.Errorf("smart.policy: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	p, err := policy.Read(f)
	if err != nil {
		return nil, fmt.Errorf("smart.policy: %s: %w", s.Policy, err)
	}
	return p, nil
}

// clinicZone is where birthdays begin.
func (c *Config) clinicZone() (*time.Location, error) {
	name := c.SMART.Timezone
	if name == "" {
		name = c.Search.Timezone
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("smart.timezone: %w", err)
	}
	return location, nil
}
