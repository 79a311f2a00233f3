package main

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/foreign"
	"github.com/portico-fhir/portico/smart/jwks"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/upstream"
)

// IssuerConfig is an authorization server of somebody else whose access tokens are
// accepted.
type IssuerConfig struct {
	Issuer     string        `yaml:"issuer"`
	Audience   string        `yaml:"audience"` // empty: the FHIR base
	JWKS       string        `yaml:"jwks"`
	Algorithms []string      `yaml:"algorithms"`
	Scopes     []string      `yaml:"scopes"`
	System     bool          `yaml:"system"`
	Longest    time.Duration `yaml:"longest"`
	Claims     ClaimsConfig  `yaml:"claims"`
	People     []RuleConfig  `yaml:"people"`
}

// ClaimsConfig are the names of an issuer's claims.
type ClaimsConfig struct {
	User      string `yaml:"user"`
	Patient   string `yaml:"patient"`
	Encounter string `yaml:"encounter"`
	Scope     string `yaml:"scope"`
	Client    string `yaml:"client"`
}

// issuer is the issuer without what looks people up.
func (i IssuerConfig) issuer(base string) (foreign.Issuer, error) {
	scopes, bad := scope.Parse(strings.Join(i.Scopes, " "))
	made := foreign.Issuer{
		URL: i.Issuer, Audience: i.Audience, KeysURL: i.JWKS, Algorithms: i.Algorithms, Scopes: scopes, System: i.System, Longest: i.Longest,
		Claims: foreign.Claims{User: i.Claims.User, Patient: i.Claims.Patient, Encounter: i.Claims.Encounter, Scope: i.Claims.Scope, Client: i.Claims.Client},
	}
	if made.Audience == "" {
		made.Audience = base
	}
	if len(bad) > 0 {
		return made, bad[0]
	}
	return made, nil
}

func (i IssuerConfig) validate() error {
	made, err := i.issuer("https://localhost/fhir")
	faults := []error{err, made.Validate()}
	for _, r := range rules(i.People) {
		faults = append(faults, r.Validate())
	}
	return errors.Join(faults...)
}

// foreign accepts the tokens of the configured issuers; nil when there are none. Types
// are the resources, not narrowed, in which people are looked up.
func (c *Config) foreign(types fhir.Repository) (*foreign.Tokens, error) {
	if len(c.SMART.Issuers) == 0 {
		return nil, nil
	}
	base := c.BaseURL + "/fhir"
	// Whoever configures an issuer says where it is: private networks are fine.
	anywhere := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	t := &foreign.Tokens{FHIR: base, Keys: &jwks.Fetcher{Loopback: true, Networks: anywhere}}
	for _, config := range c.SMART.Issuers {
		made, err := config.issuer(base)
		if err != nil {
			return nil, err
		}
		if len(config.People) > 0 {
			people := &upstream.Provider{ID: config.Issuer, Rules: rules(config.People), Lookup: lookup(types)}
			made.Who = func(ctx context.Context, claims map[string]any) (fhir.Key, error) {
				who, err := people.Identify(ctx, claims)
				if errors.Is(err, upstream.ErrUnmapped) {
					return fhir.Key{}, nil
				}
				return who.Person, err
			}
		}
		t.Issuers = append(t.Issuers, made)
	}
	return t, nil
}
