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
	// Bundles says that batches and transactions are carried out.
	Bundles bool
	// Open says that requests are not authorized at all.
	Open bool
	// CORS says that browsers may call from other origins.
	CORS bool
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
		if r, ok := describe(t, s.Describe(t)); ok {
			rest.Resource = append(rest.Resource, r)
		}
	}
	s.wide(&rest)
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
	return security{CORS: s.CORS}
}

// describe declares a type; false when nothing can be done with it.
func describe(t fhir.Type, c fhir.Capability) (resource, bool) {
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
	if c.Search {
		r.ConditionalCreate, r.ConditionalUpdate = c.Create, c.Update
		if c.Delete {
			r.ConditionalDelete = "single"
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
			r.SearchParam = append(r.SearchParam, searchParam{Name: p.Name, Definition: p.URL, Type: p.Type})
		}
	}
	for _, d := range operation.For(t, c) {
		at := "Invoked on the type."
		if d.Instance {
			at = "Invoked on one resource."
		}
		if n := len(r.Operation) - 1; n >= 0 && r.Operation[n].Name == d.Code {
			r.Operation[n].Documentation = "Invoked on the type, or on one resource."
			continue
		}
		r.Operation = append(r.Operation, operated{Name: d.Code, Definition: d.URL, Documentation: at})
	}
	return r, len(r.Interaction) > 0
}

func documentation(c fhir.Capability) string {
	if len(c.Sortable) == 0 {
		return c.Source
	}
	return strings.TrimSpace(c.Source + " _sort takes " + strings.Join(c.Sortable, ", ") + ".")
}
