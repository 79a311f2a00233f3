package terminology

import (
	"encoding/json"
	"strings"
)

// What is read of the definitions (R4 4.8, 4.9). The members have the names of
// the elements.
type (
	valueSet struct {
		URL       string     `json:"url"`
		Version   string     `json:"version"`
		Status    string     `json:"status"`
		Date      string     `json:"date"`
		Compose   *compose   `json:"compose"`
		Expansion *expansion `json:"expansion"`
	}
	compose struct {
		Inactive *bool     `json:"inactive"`
		Include  []include `json:"include"`
		Exclude  []include `json:"exclude"`
	}
	include struct {
		System   string    `json:"system"`
		Version  string    `json:"version"`
		Concept  []concept `json:"concept"`
		Filter   []filter  `json:"filter"`
		ValueSet []string  `json:"valueSet"`
	}
	filter struct {
		Property string `json:"property"`
		Op       string `json:"op"`
		Value    string `json:"value"`
	}
	expansion struct {
		Total     *int `json:"total"`
		Offset    int  `json:"offset"`
		Parameter []struct {
			Name string `json:"name"`
		} `json:"parameter"`
		Contains []contained `json:"contains"`
	}
	contained struct {
		System   string      `json:"system"`
		Abstract bool        `json:"abstract"`
		Code     string      `json:"code"`
		Contains []contained `json:"contains"`
	}
	codeSystem struct {
		URL              string               `json:"url"`
		Version          string               `json:"version"`
		Status           string               `json:"status"`
		Date             string               `json:"date"`
		HierarchyMeaning string               `json:"hierarchyMeaning"`
		Content          string               `json:"content"`
		Property         []propertyDefinition `json:"property"`
		Concept          []concept            `json:"concept"`
	}
	propertyDefinition struct {
		Code string `json:"code"`
	}
	concept struct {
		Code     string     `json:"code"`
		Display  string     `json:"display"`
		Property []property `json:"property"`
		Concept  []concept  `json:"concept"`
	}
	// property keeps the value as it stands: a string, a number, a boolean or a
	// Coding.
	property struct {
		Code  string `json:"code"`
		value string
	}
)

// UnmarshalJSON implements [json.Unmarshaler]. In R4's own table a concept may be
// its code alone.
func (c *concept) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &c.Code)
	}
	type plain concept
	return json.Unmarshal(data, (*plain)(c))
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *property) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	for name, raw := range members {
		switch {
		case name == "code":
			if err := json.Unmarshal(raw, &p.Code); err != nil {
				return err
			}
		case name == "valueCoding":
			var coding struct{ Code string }
			if err := json.Unmarshal(raw, &coding); err != nil {
				return err
			}
			p.value = coding.Code
		case strings.HasPrefix(name, "value"):
			if raw[0] != '"' {
				p.value = string(raw)
			} else if err := json.Unmarshal(raw, &p.value); err != nil {
				return err
			}
		}
	}
	return nil
}
