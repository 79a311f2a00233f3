package server

import (
	"encoding/json"

	"github.com/portico-fhir/portico/smart/client"
	"github.com/portico-fhir/portico/smart/scope"
	"github.com/portico-fhir/portico/smart/signing"
)

// metadata is what both discovery documents say (RFC 8414 2).
type metadata struct {
	Issuer            string   `json:"issuer"`
	Authorize         string   `json:"authorization_endpoint,omitempty"`
	Token             string   `json:"token_endpoint"`
	JWKS              string   `json:"jwks_uri"`
	Introspect        string   `json:"introspection_endpoint"`
	Revoke            string   `json:"revocation_endpoint"`
	Methods           []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms        []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	Grants            []string `json:"grant_types_supported"`
	Scopes            []string `json:"scopes_supported"`
	ResponseTypes     []string `json:"response_types_supported"`
	ResponseModes     []string `json:"response_modes_supported"`
	ChallengeMethods  []string `json:"code_challenge_methods_supported"`
	SendsIssuer       bool     `json:"authorization_response_iss_parameter_supported"`
}

// smartMetadata is the document below the FHIR base (SMART App Launch 2.2, Conformance).
type smartMetadata struct {
	metadata
	Manage       string   `json:"management_endpoint,omitempty"`
	Capabilities []string `json:"capabilities"`
}

// openIDMetadata is the document below the issuer (OpenID Connect Discovery 1.0, 3).
type openIDMetadata struct {
	metadata
	UserInfo     string   `json:"userinfo_endpoint"`
	Subjects     []string `json:"subject_types_supported"`
	Signing      []string `json:"id_token_signing_alg_values_supported"`
	Claims       []string `json:"claims_supported"`
	Prompts      []string `json:"prompt_values_supported"`
	ClaimsParam  bool     `json:"claims_parameter_supported"`
	RequestParam bool     `json:"request_parameter_supported"`
	RequestURI   bool     `json:"request_uri_parameter_supported"`
}

func (s *Server) metadata() metadata {
	urls := s.URLs()
	m := metadata{
		Issuer: s.Base, Authorize: urls.Authorize, Token: urls.Token, JWKS: s.Base + pathJWKS, Introspect: urls.Introspect, Revoke: urls.Revoke,
		Methods: client.Methods(), Algorithms: client.Algorithms(), IntrospectMethods: client.Methods()[1:],
		Grants:        []string{client.AuthorizationCode, client.RefreshToken, client.ClientCredentials},
		Scopes:        append(scope.Names(), scopes[:]...),
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, ChallengeMethods: []string{"S256"}, SendsIssuer: true,
	}
	if s.Pages == nil {
		m.Authorize, m.Grants, m.Scopes = "", []string{client.ClientCredentials}, []string{"system/*.cruds", "system/*.*"}
	}
	return m
}

// scopes are the widest of each kind: any that is less is supported, too.
var scopes = [...]string{
	"patient/*.cruds", "user/*.cruds", "system/*.cruds", "patient/*.*", "user/*.*", "system/*.*",
	"patient/*.rs", "user/*.rs", "system/*.rs", "patient/*.read", "user/*.read", "system/*.read",
}

// capabilities are what works without people, and what needs pages for them.
func (s *Server) capabilities() []string {
	all := []string{"client-confidential-symmetric", "client-confidential-asymmetric", "permission-v1", "permission-v2"}
	if s.Pages == nil {
		return all
	}
	return append(
		all, "launch-ehr", "launch-standalone", "authorize-post", "client-public", "sso-openid-connect",
		"context-banner", "context-style", "context-ehr-patient", "context-ehr-encounter", "context-standalone-patient",
		"permission-offline", "permission-online", "permission-patient", "permission-user",
	)
}

func (s *Server) smart() []byte {
	doc := smartMetadata{metadata: s.metadata(), Capabilities: s.capabilities()}
	if s.Pages != nil {
		doc.Manage = s.URLs().Manage
	}
	return document(doc)
}

func (s *Server) openID() []byte {
	return document(openIDMetadata{
		metadata: s.metadata(), UserInfo: s.Base + pathUserInfo, Subjects: []string{"public"}, Signing: []string{signing.Algorithm},
		Claims:  []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "fhirUser", "profile"},
		Prompts: []string{"none", "login", "consent", "select_account"},
	})
}

// document writes JSON that people read, too.
func document(v any) []byte {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("server: " + err.Error()) // strings and flags always marshal
	}
	return append(data, '\n')
}
