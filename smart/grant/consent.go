package grant

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
)

// The code systems of what R4 has no codes for.
const (
	categorySystem = "https://portico-fhir.github.io/CodeSystem/proxy-category"
	actionSystem   = "https://portico-fhir.github.io/CodeSystem/proxy-action"
)

type (
	reference struct {
		Reference string `json:"reference"`
		Display   string `json:"display,omitempty"`
	}
	coding struct {
		System string `json:"system"`
		Code   string `json:"code"`
	}
	concept struct {
		Coding []coding `json:"coding,omitempty"`
		Text   string   `json:"text,omitempty"`
	}
	period struct {
		Start string `json:"start,omitempty"`
		End   string `json:"end,omitempty"`
	}
	attachment struct {
		Title string `json:"title"`
	}
	verification struct {
		Verified bool   `json:"verified"`
		Date     string `json:"verificationDate"`
	}
	actor struct {
		Role      concept   `json:"role"`
		Reference reference `json:"reference"`
	}
	provision struct {
		Type    string    `json:"type"`
		Period  *period   `json:"period,omitempty"`
		Actor   []actor   `json:"actor"`
		Action  []concept `json:"action,omitempty"`
		Purpose []coding  `json:"purpose"`
		Class   []coding  `json:"class,omitempty"`
	}
	consent struct {
		ResourceType string         `json:"resourceType"`
		Status       string         `json:"status"`
		Scope        concept        `json:"scope"`
		Category     []concept      `json:"category"`
		Patient      reference      `json:"patient"`
		DateTime     string         `json:"dateTime"`
		Performer    []reference    `json:"performer,omitempty"`
		Source       *attachment    `json:"sourceAttachment,omitempty"`
		PolicyRule   concept        `json:"policyRule"`
		Verification []verification `json:"verification"`
		Provision    provision      `json:"provision"`
	}
)

// consent is the grant as FHIR clients see it.
func (g Grant) consent() ([]byte, error) {
	c := consent{
		ResourceType: "Consent", Status: "active",
		Scope:        concept{Coding: []coding{{"http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"}}},
		Category:     []concept{{Coding: []coding{{"http://loinc.org", "59284-0"}}}, {Coding: []coding{{policy.BasisSystem, g.Basis}}}},
		Patient:      reference{Reference: "Patient/" + g.Patient},
		DateTime:     g.Made.UTC().Format(time.RFC3339),
		PolicyRule:   concept{Text: "The clinic's policy for those who act for others, " + g.Policy},
		Verification: []verification{{Verified: true, Date: g.Made.UTC().Format(time.RFC3339)}},
		Provision: provision{
			Type: "permit", Purpose: []coding{{"http://terminology.hl7.org/CodeSystem/v3-ActReason", g.purpose()}},
			Actor: []actor{{
				Role:      concept{Coding: []coding{{"http://terminology.hl7.org/CodeSystem/v3-RoleCode", "DELEGATEE"}}},
				Reference: reference{Reference: g.Proxy.String()},
			}},
			Period: &period{Start: g.NotBefore.UTC().Format(time.RFC3339)},
		},
	}
	if g.Status != Active {
		c.Status = "inactive"
	}
	if r := fhir.ParseReference(g.By, ""); r.Kind == fhir.RefLocal {
		c.Performer = []reference{{Reference: g.By}}
	}
	if g.Evidence != "" {
		c.Source = &attachment{Title: g.Evidence}
	}
	if !g.NotAfter.IsZero() {
		c.Provision.Period.End = g.NotAfter.UTC().Format(time.RFC3339)
	}
	for _, name := range g.Categories {
		c.Provision.Class = append(c.Provision.Class, coding{categorySystem, name})
	}
	for _, name := range g.Actions {
		c.Provision.Action = append(c.Provision.Action, concept{Coding: []coding{{actionSystem, string(name)}}})
	}
	body, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write a consent: %w", err)
	}
	return body, nil
}

// purpose is a code of v3-ActReason: the family asks, somebody has power of
// attorney, or somebody of the person's choice supports them.
func (g Grant) purpose() string {
	switch g.Basis {
	case "poa-incapacity", "guardian-court":
		return "PWATRNY"
	case "adult-delegated":
		return "SUPNWK"
	}
	return "FAMRQT"
}
