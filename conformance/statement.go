package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/operation"
	"github.com/portico-fhir/portico/fhir/search"
)

// Server is what the statement is about.
type Server struct {
	// Base is the FHIR base URL.
	Base string
	// Version is that of the software, and Date when it, or what it serves,
	// last changed.
	Version string
	Date    time.Time
	// Describe says what can be done with a type.
	Describe func(fhir.Type) fhir.Capability
	// Operations tells which operations there are; nil: those that need nothing.
	Operations *operation.Operations
	// Bundles says that batches and transactions are carried out.
	Bundles bool
	// Enforced tells of which types references must lead to what is there; nil: of none.
	Enforced func(fhir.Type) bool
	// DeleteMany says that a conditional delete may delete several resources.
	DeleteMany bool
	// Open says that requests are not authorized at all.
	Open bool
	// OAuth are the endpoints of the authorization server; nil: there is none.
	OAuth *OAuth
	// CORS says that browsers may call from other origins.
	CORS bool
}

// OAuth are URLs of an authorization server, as the extension oauth-uris of SMART
// App Launch 1 names them. An empty one is left out.
type OAuth struct {
	Authorize, Token, Introspect, Revoke, Manage, Register string
}

// Modes are the values of ?mode= that Statement knows (R4 3.1.0.9.1).
func Modes() []string { return []string{"full", "normative"} }

// Statement makes the CapabilityStatement for a mode. The same server always
// gives the same bytes.
func (s *Server) Statement(mode string) ([]byte, error) {
	rest := endpoint{Mode: "server", Security: s.security()}
	for _, t := range fhir.Types() {
		if mode == "normative" && !slices.Contains(normative(), t) {
			continue
		}
		if r, ok := s.describe(t, s.Describe(t)); ok {
			rest.Resource = append(rest.Resource, r)
		}
	}
	s.wide(&rest)
	rest.Operation = operations(s.Operations.For("", fhir.Capability{}))
	body, err := json.Marshal(statement{
		ResourceType: "CapabilityStatement",
		Name:         "Portico",
		Title:        "What this Portico server can do",
		Status:       "active",
		Date:         s.Date.UTC().Format(time.RFC3339),
		Kind:         "instance",
		Software:     software{Name: "Portico", Version: s.Version},
		Implementation: implementation{
			Description: "A SMART on FHIR server in front of an EHR", URL: s.Base,
		},
		FHIRVersion: "4.0.1",
		Format:      []string{"application/fhir+json", "json"},
		PatchFormat: []string{"application/json-patch+json", "application/fhir+json"},
		Rest:        []endpoint{rest},
	})
	if err != nil {
		return nil, fmt.Errorf("capability statement: %w", err)
	}
	return body, nil
}

// wide declares what is not on one type: searches on several, and compartments.
func (s *Server) wide(rest *endpoint) {
	for _, of := range search.Compartments() {
		if s.Describe(of).None() {
			continue
		}
		for _, t := range search.CompartmentTypes(of) {
			can := s.Describe(t)
			if _, ok := search.Membership(fhir.Key{Type: of}, t, can); ok && can.Search {
				rest.Compartment = append(rest.Compartment, "http://hl7.org/fhir/CompartmentDefinition/"+strings.ToLower(string(of[:1]))+string(of[1:]))
				break
			}
		}
	}
	var searches, history bool
	for _, t := range fhir.Types() {
		can := s.Describe(t)
		searches, history = searches || can.Search, history || can.HistoryType
	}
	if searches {
		rest.Interaction = append(rest.Interaction, interaction{Code: "search-system"})
	}
	if history {
		rest.Interaction = append(rest.Interaction, interaction{Code: "history-system"})
	}
	if s.Bundles {
		rest.Doc = "Writes honor Idempotency-Key for 24 hours, and X-Provenance. Bundles and searches honor Prefer: respond-async. " +
			"A history says by meta.lastUpdated up to when it is complete: poll with _since of that."
		rest.Interaction = append(rest.Interaction, interaction{Code: "batch"}, interaction{Code: "transaction"})
	}
}

// ETag is the entity tag of a statement's bytes.
func ETag(body []byte) string {
	sum := sha256.Sum256(body)
	return `W/"` + hex.EncodeToString(sum[:8]) + `"`
}

// normative are the types that are normative in R4 (R4 2.3, "Standards status").
func normative() []fhir.Type {
	return []fhir.Type{
		"Binary", "Bundle", "CapabilityStatement", "CodeSystem", "Observation", "OperationDefinition",
		"OperationOutcome", "Parameters", "Patient", "StructureDefinition", "ValueSet",
	}
}

func (s *Server) security() security {
	if s.Open {
		return security{CORS: s.CORS, Description: "Authorization is off: everybody who can reach this address may do everything that is listed here."}
	}
	declared := security{CORS: s.CORS}
	if s.OAuth == nil {
		return declared
	}
	uris := extension{URL: "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"}
	for _, e := range []extension{
		{URL: "authorize", ValueURI: s.OAuth.Authorize},
		{URL: "token", ValueURI: s.OAuth.Token},
		{URL: "introspect", ValueURI: s.OAuth.Introspect},
		{URL: "revoke", ValueURI: s.OAuth.Revoke},
		{URL: "manage", ValueURI: s.OAuth.Manage},
		{URL: "register", ValueURI: s.OAuth.Register},
	} {
		if e.ValueURI != "" {
			uris.Extension = append(uris.Extension, e)
		}
	}
	declared.Extension = []extension{uris}
	declared.Service = []concept{{
		Coding: []coding{{System: "http://terminology.hl7.org/CodeSystem/restful-security-service", Code: "SMART-on-FHIR", Display: "SMART-on-FHIR"}},
		Text:   "OAuth2 using SMART-on-FHIR profile (see http://docs.smarthealthit.org)",
	}}
	return declared
}

// describe declares a type; false when nothing can be done with it.
func (s *Server) describe(t fhir.Type, c fhir.Capability) (resource, bool) {
	r := resource{
		Type:              t,
		Documentation:     documentation(c),
		Versioning:        c.Versioning,
		ReadHistory:       c.VRead,
		UpdateCreate:      c.UpdateCreate,
		ConditionalRead:   "not-supported",
		ConditionalDelete: "not-supported",
	}
	if c.Read {
		r.ConditionalRead = "full-support"
	}
	if c.Create || c.Update {
		r.ReferencePolicy = []string{"literal", "logical"}
		if s.Enforced != nil && s.Enforced(t) {
			r.ReferencePolicy = append(r.ReferencePolicy, "enforced")
		}
	}
	if c.Search {
		r.ConditionalCreate, r.ConditionalUpdate = c.Create, c.Update
		if c.Delete {
			r.ConditionalDelete = "single"
			if s.DeleteMany {
				r.ConditionalDelete = "multiple"
			}
		}
	}
	for _, i := range []struct {
		can  bool
		code string
	}{
		{c.Read, "read"},
		{c.VRead, "vread"},
		{c.Update, "update"},
		{c.Update && c.Read, "patch"},
		{c.Delete, "delete"},
		{c.HistoryInstance, "history-instance"},
		{c.HistoryType, "history-type"},
		{c.Create, "create"},
		{c.Search, "search-type"},
	} {
		if i.can {
			r.Interaction = append(r.Interaction, interaction{Code: i.code})
		}
	}
	if c.Search {
		r.SearchInclude, r.SearchRevInclude = c.Include, c.RevInclude
		for _, p := range c.Params {
			own := searchParam{Name: p.Name, Definition: p.URL, Type: p.Type}
			if p.Name == "_lastUpdated" {
				own.Documentation = "When this server, or the EHR where the resource lives there, last changed it: meta.lastUpdated, which every write that changes something sets, and nothing else."
			}
			r.SearchParam = append(r.SearchParam, own)
		}
		if len(c.Params) > 0 {
			r.SearchParam = append(r.SearchParam, filter(t))
		}
	}
	r.Operation = operations(s.Operations.For(t, c))
	return r, len(r.Interaction) > 0
}

// filter declares _filter, which combines the other parameters.
func filter(t fhir.Type) searchParam {
	p, _ := search.Lookup(t, search.Filter) // R4 has it on every type
	return searchParam{
		Name: p.Name, Definition: p.URL, Type: p.Type,
		Documentation: "Takes the other parameters, but for _text and _content; and, or and not(…) from left to right.",
	}
}

// operations declares them; one that is on the type and on its resources once.
func operations(all []operation.Definition) []operated {
	var declared []operated
	for _, d := range all {
		at := "Invoked on the type."
		switch {
		case d.Instance:
			at = "Invoked on one resource."
		case d.Type == "" && d.Run != nil:
			at = "Invoked on the whole server."
		}
		if n := len(declared) - 1; n >= 0 && declared[n].Name == d.Code {
			declared[n].Documentation = "Invoked on the type, or on one resource."
			continue
		}
		declared = append(declared, operated{Name: d.Code, Definition: d.URL, Documentation: at})
	}
	return declared
}

func documentation(c fhir.Capability) string {
	if len(c.Sortable) == 0 {
		return c.Source
	}
	return strings.TrimSpace(c.Source + " _sort takes " + strings.Join(c.Sortable, ", ") + ".")
}
