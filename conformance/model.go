package conformance

import "github.com/portico-fhir/portico/fhir"

// The part of the CapabilityStatement that a server of this kind fills in, in
// the order of its elements.
type (
	statement struct {
		ResourceType   string         `json:"resourceType"`
		Name           string         `json:"name"`
		Title          string         `json:"title"`
		Status         string         `json:"status"`
		Date           string         `json:"date"`
		Kind           string         `json:"kind"`
		Software       software       `json:"software"`
		Implementation implementation `json:"implementation"`
		FHIRVersion    string         `json:"fhirVersion"`
		Format         []string       `json:"format"`
		PatchFormat    []string       `json:"patchFormat"`
		Rest           []endpoint     `json:"rest"`
	}

	software struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}

	implementation struct {
		Description string `json:"description"`
		URL         string `json:"url"`
	}

	endpoint struct {
		Mode        string        `json:"mode"`
		Doc         string        `json:"documentation,omitempty"`
		Security    security      `json:"security"`
		Resource    []resource    `json:"resource,omitempty"`
		Interaction []interaction `json:"interaction,omitempty"`
		Compartment []string      `json:"compartment,omitempty"`
		Operation   []operated    `json:"operation,omitempty"`
	}

	security struct {
		Extension   []extension `json:"extension,omitempty"`
		CORS        bool        `json:"cors"`
		Service     []concept   `json:"service,omitempty"`
		Description string      `json:"description,omitempty"`
	}

	extension struct {
		URL       string      `json:"url"`
		ValueURI  string      `json:"valueUri,omitempty"`
		Extension []extension `json:"extension,omitempty"`
	}

	concept struct {
		Coding []coding `json:"coding"`
		Text   string   `json:"text"`
	}

	coding struct {
		System  string `json:"system"`
		Code    string `json:"code"`
		Display string `json:"display"`
	}

	resource struct {
		Type              fhir.Type     `json:"type"`
		Documentation     string        `json:"documentation,omitempty"`
		Interaction       []interaction `json:"interaction,omitempty"`
		Versioning        string        `json:"versioning,omitempty"`
		ReadHistory       bool          `json:"readHistory"`
		UpdateCreate      bool          `json:"updateCreate"`
		ConditionalCreate bool          `json:"conditionalCreate"`
		ConditionalRead   string        `json:"conditionalRead"`
		ConditionalUpdate bool          `json:"conditionalUpdate"`
		ConditionalDelete string        `json:"conditionalDelete"`
		ReferencePolicy   []string      `json:"referencePolicy,omitempty"`
		SearchInclude     []string      `json:"searchInclude,omitempty"`
		SearchRevInclude  []string      `json:"searchRevInclude,omitempty"`
		SearchParam       []searchParam `json:"searchParam,omitempty"`
		Operation         []operated    `json:"operation,omitempty"`
	}

	interaction struct {
		Code string `json:"code"`
	}

	operated struct {
		Name          string `json:"name"`
		Definition    string `json:"definition"`
		Documentation string `json:"documentation"`
	}

	searchParam struct {
		Name       string         `json:"name"`
		Definition string         `json:"definition,omitempty"`
		Type       fhir.ParamType `json:"type"`
		// Documentation says what the definition leaves open.
		Documentation string `json:"documentation,omitempty"`
	}
)
