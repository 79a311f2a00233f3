package upstream_test

import (
	"testing"

	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/upstream"
)

func TestRulesAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule upstream.Rule
		ok   bool
	}{
		"a patient by id":                   {upstream.Rule{Type: "Patient", Claim: "pid"}, true},
		"a practitioner by identifier":      {upstream.Rule{Type: "Practitioner", Claim: "hpr", System: "urn:hpr"}, true},
		"everybody else, without a record":  {upstream.Rule{Type: "Person"}, true},
		"an administrator":                  {upstream.Rule{Type: "Person", Where: map[string]string{"groups": "it"}, Roles: []account.Role{account.Admin}}, true},
		"a patient by nothing":              {upstream.Rule{Type: "Patient"}, false},
		"a person by a claim":               {upstream.Rule{Type: "Person", Claim: "x"}, false},
		"a device":                          {upstream.Rule{Type: "Device", Claim: "x"}, false},
		"a patient who is a clinician":      {upstream.Rule{Type: "Patient", Claim: "x", Roles: []account.Role{account.Clinician}}, false},
		"a person who is a patient":         {upstream.Rule{Type: "Person", Roles: []account.Role{account.Patient}}, false},
		"a role that there is not":          {upstream.Rule{Type: "Patient", Claim: "x", Roles: []account.Role{"king"}}, false},
		"a person by a business identifier": {upstream.Rule{Type: "Person", System: "urn:x"}, false},
	} {
		if err := c.rule.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := &upstream.Provider{ID: "x", Name: "X", ClientID: "c", Rules: []upstream.Rule{{Type: "Person"}}}
	for issuer, ok := range map[string]bool{"https://id.example": true, "http://localhost:9": true, "http://id.example": false, "id.example": false, "": false} {
		p.Issuer = issuer
		if err := p.Validate(); (err == nil) != ok {
			t.Errorf("the issuer %q: %v", issuer, err)
		}
	}
}
