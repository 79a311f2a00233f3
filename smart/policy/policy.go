package policy

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/portico-fhir/portico/fhir"
)

// Policy is the data of a policy. Read has checked it; it is read-only and safe for
// concurrent use.
type Policy struct {
	Format  int    `yaml:"policy"`
	Version string `yaml:"version"`

	Record map[fhir.Type]*Rule `yaml:"record"`
	Shared []fhir.Type         `yaml:"shared"`
	// Apart is for shared types what Rule.Apart is for those of a record.
	Apart    map[fhir.Type]string   `yaml:"apart"`
	Closed   []fhir.Type            `yaml:"closed"`
	Attached map[fhir.Type]Attached `yaml:"attached"`

	Relationship Relationship `yaml:"relationship"`

	Packs      map[string]Pack     `yaml:"packs"`
	Pack       string              `yaml:"pack"` // the one that holds
	Bases      map[string]Basis    `yaml:"bases"`
	Categories map[string][]string `yaml:"categories"`
	Columns    map[string]Column   `yaml:"columns"`

	Writes map[fhir.Type]Write `yaml:"writes"`

	classes map[fhir.Type]Class
	apart   map[fhir.Type][]string
	cells   map[fhir.Type][]place // what of a type belongs to which category
}

// Write says what patients, and proxies for them, may make of a type.
type Write struct {
	// Status lists for a status those that may follow; "" is that of what does not
	// exist yet. A status that is no key here stays as it is.
	Status map[string][]string `yaml:"status"`
	// Change lists for a status the elements that may then change; without one of
	// a status all may.
	Change map[string][]string `yaml:"change"`
	// Categories are codes of which one must be a category; nil: none need be.
	Categories []string `yaml:"categories"`
}

// Relationship says what makes a practitioner treat a patient.
type Relationship struct {
	Window   time.Duration `yaml:"window"`   // before and after now
	Patients int           `yaml:"patients"` // the most that one practitioner treats
	By       []Tie         `yaml:"by"`
	Roles    Tie           `yaml:"roles"` // finds the PractitionerRoles of a Practitioner
}

// Tie is a search whose hits are about patients whom a practitioner treats.
type Tie struct {
	Search fhir.Type `yaml:"search"`
	Who    []string  `yaml:"who"`  // parameters that name the practitioner
	When   string    `yaml:"when"` // parameter that must lie within the window; empty: always
	Only   string    `yaml:"only"` // more search parameters, as in a URL
}

//go:embed default.yaml
var defaults []byte

// Default gives the policy that Portico comes with.
func Default() (*Policy, error) { return Read(bytes.NewReader(defaults)) }

// maxBytes bounds a policy file.
const maxBytes = 1 << 20

// Read reads a policy, YAML as in default.yaml. Unknown keys, unknown names and
// what is missing are errors; all of them are reported.
func Read(r io.Reader) (*Policy, error) {
	p := new(Policy)
	d := yaml.NewDecoder(io.LimitReader(r, maxBytes))
	d.KnownFields(true)
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("policy: "+format, args...))
	}
	if p.Format != 1 {
		problem("policy: %d is not a format that this program reads; it reads 1", p.Format)
	}
	p.classify(problem)
	p.checkRelationship(problem)
	p.checkAges(problem)
	p.checkMatrix(problem)
	return p, errors.Join(problems...)
}

func (p *Policy) checkRelationship(problem func(string, ...any)) {
	r := &p.Relationship
	if r.Window <= 0 || r.Patients <= 0 {
		problem("relationship: window and patients must be more than 0")
	}
	for _, t := range append(r.By, r.Roles) {
		if !t.Search.Valid() || len(t.Who) == 0 {
			problem("relationship: search must name a type, and who its parameters")
		}
	}
	for _, t := range r.By {
		if p.classes[t.Search] != Record {
			problem("relationship: a %s is part of nobody's record", t.Search)
		}
	}
}
