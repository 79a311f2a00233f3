// Command gen writes R4's value sets, and the code systems that they draw on as far
// as R4 lists their codes, from the npm package hl7.fhir.r4.examples: a line each, of
// the URL, a tab, and what of the resource is about codes. A concept that has nothing
// but its code stands there as the code alone.
//
// Usage: gen PACKAGE_DIR OUTPUT
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/internal/definitions"
)

// The members are those of the resources.
type (
	valueSet struct {
		URL     string   `json:"url,omitempty"`
		Version string   `json:"version,omitempty"`
		Compose *compose `json:"compose"`
	}
	compose struct {
		Inactive *bool     `json:"inactive,omitempty"`
		Include  []include `json:"include"`
		Exclude  []include `json:"exclude,omitempty"`
	}
	include struct {
		System   string    `json:"system,omitempty"`
		Concept  []concept `json:"concept,omitempty"`
		Filter   []filter  `json:"filter,omitempty"`
		ValueSet []string  `json:"valueSet,omitempty"`
	}
	filter struct {
		Property string `json:"property"`
		Op       string `json:"op"`
		Value    string `json:"value"`
	}
	codeSystem struct {
		URL              string       `json:"url,omitempty"`
		Version          string       `json:"version,omitempty"`
		HierarchyMeaning string       `json:"hierarchyMeaning,omitempty"`
		Content          string       `json:"content"`
		Property         []definition `json:"property,omitempty"`
		Concept          []concept    `json:"concept"`
	}
	definition struct {
		Code string `json:"code"`
	}
	concept struct {
		Code     string     `json:"code"`
		Property []property `json:"property,omitempty"`
		Concept  []concept  `json:"concept,omitempty"`
	}
	property struct {
		Code      string `json:"code"`
		ValueCode string `json:"valueCode,omitempty"`
	}
)

// MarshalJSON implements [json.Marshaler].
func (c concept) MarshalJSON() ([]byte, error) {
	if len(c.Property)+len(c.Concept) == 0 {
		return json.Marshal(c.Code)
	}
	type whole concept
	return json.Marshal(whole(c))
}

func main() { definitions.Main(table) }

func table(dir string) ([]byte, error) {
	sets, err := definitions.Read[valueSet](dir, "ValueSet")
	if err != nil {
		return nil, err
	}
	systems, err := definitions.Read[codeSystem](dir, "CodeSystem")
	if err != nil {
		return nil, err
	}
	lines := map[string]string{}
	add := func(url string, resource any) error {
		data, err := json.Marshal(resource)
		lines[url] = string(data)
		return err
	}
	for _, v := range sets {
		if !own(v.URL) || v.Compose == nil {
			continue
		}
		url := v.URL
		v.URL = ""
		if err := add(url, v); err != nil {
			return nil, err
		}
	}
	for _, s := range systems {
		if !own(s.URL) || s.Content != "complete" {
			continue
		}
		s.Property = slices.DeleteFunc(s.Property, func(d definition) bool { return !kept(d.Code) })
		trim(s.Concept)
		url := s.URL
		s.URL = ""
		if err := add(url, s); err != nil {
			return nil, err
		}
	}
	var urls []string
	for url := range lines {
		urls = append(urls, url)
	}
	slices.Sort(urls)
	var b bytes.Buffer
	for _, url := range urls {
		fmt.Fprintf(&b, "%s\t%s\n", url, lines[url])
	}
	return b.Bytes(), nil
}

// own reports whether a definition is R4's, not an example of its.
func own(url string) bool {
	return (strings.HasPrefix(url, "http://hl7.org/fhir/") || strings.HasPrefix(url, "http://terminology.hl7.org/")) && !strings.Contains(url, "example")
}

// kept are the properties that say where a code stands, and whether it is in use.
func kept(property string) bool {
	return property == "child" || property == "parent" || property == "status"
}

// trim leaves out what is not kept, and that a code is in use, which goes without
// saying.
func trim(concepts []concept) {
	for i := range concepts {
		c := &concepts[i]
		c.Property = slices.DeleteFunc(c.Property, func(p property) bool { return !kept(p.Code) || p.Code == "status" && p.ValueCode != "retired" })
		trim(c.Concept)
	}
}
