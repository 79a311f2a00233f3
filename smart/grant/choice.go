package grant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/account"
	"github.com/portico-fhir/portico/smart/policy"
)

// Choice is a patient for whom somebody may act.
type Choice struct {
	Patient fhir.Key
	Name    string // as people write it; empty when the record has none
	Birth   string // Patient.birthDate
	Actor   fhir.Key
	// Grant and Basis are those of a proxy; empty for the own record and for
	// clinicians.
	Grant, Basis string
	// Now is what the grant permits now.
	Now policy.Effective
}

// Choices lists for whom somebody may act now: their own record first, then the patients
// of grants that are in force, by name. A patient of several grants is there several
// times.
func (g *Grants) Choices(ctx context.Context, who *account.Account) ([]Choice, error) {
	var all []Choice
	if who.Has(account.Patient) && who.Person.Type == "Patient" {
		own, err := g.Describe(ctx, who.Person)
		switch {
		case err == nil:
			own.Actor = who.Person
			all = append(all, own)
		case !isClients(err):
			return nil, err
		}
	}
	if !who.Has(account.Proxy) {
		return all, nil
	}
	granted, err := g.granted(ctx, who.ID)
	return append(all, slices.DeleteFunc(granted, func(c Choice) bool { return who.Is(c.Patient) })...), err
}

// granted lists for whom an account may act by grants that are in force now, by name.
func (g *Grants) granted(ctx context.Context, account string) ([]Choice, error) {
	all, err := g.of(ctx, account)
	if err != nil {
		return nil, err
	}
	var choices []Choice
	for _, found := range all {
		e, ok, err := g.effective(ctx, found, false)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		c, err := g.Describe(ctx, fhir.Key{Type: "Patient", ID: found.Patient})
		if err != nil {
			return nil, err
		}
		c.Actor, c.Grant, c.Basis, c.Now = found.Proxy, found.ID, found.Basis, e
		choices = append(choices, c)
	}
	slices.SortFunc(choices, func(a, b Choice) int {
		return strings.Compare(a.Name+"\x00"+a.Patient.ID+"\x00"+a.Grant, b.Name+"\x00"+b.Patient.ID+"\x00"+b.Grant)
	})
	return choices, nil
}

// Describe gives the name and date of birth of a patient, without any check of
// who may know them.
func (g *Grants) Describe(ctx context.Context, patient fhir.Key) (Choice, error) {
	s, err := g.subject(ctx, patient.ID)
	if err != nil {
		return Choice{}, err
	}
	return Choice{Patient: patient, Name: s.name, Birth: s.Birth}, nil
}

// subject is what counts of a patient's record.
type subject struct {
	policy.Subject
	name string
}

// emancipated is the extension that says that a minor is of age before the law.
const emancipated = "https://portico-fhir.github.io/StructureDefinition/emancipated-minor"

// subject reads it. The error of a patient who is not there is a *fhir.Error.
func (g *Grants) subject(ctx context.Context, id string) (subject, error) {
	key := fhir.Key{Type: "Patient", ID: id}
	res, err := g.Repository.Read(ctx, key)
	if err != nil {
		return subject{}, err
	}
	var p struct {
		BirthDate        string `json:"birthDate"`
		DeceasedBoolean  bool   `json:"deceasedBoolean"`
		DeceasedDateTime string `json:"deceasedDateTime"`
		Deceased         *struct {
			Extension json.RawMessage `json:"extension"`
		} `json:"_deceasedDateTime"`
		Name []struct {
			Use, Text, Family string
			Given             []string
		} `json:"name"`
		Extension []struct {
			URL          string `json:"url"`
			ValueBoolean bool   `json:"valueBoolean"`
		} `json:"extension"`
	}
	if err := json.Unmarshal(res.Body, &p); err != nil {
		return subject{}, fmt.Errorf("grants: read %s: %w", key, err)
	}
	s := subject{Subject: policy.Subject{Birth: p.BirthDate, Deceased: p.DeceasedBoolean || p.DeceasedDateTime != "" || p.Deceased != nil}}
	for _, e := range p.Extension {
		s.Emancipated = s.Emancipated || (e.URL == emancipated && e.ValueBoolean)
	}
	best := -1
	for i, n := range p.Name {
		if best < 0 || (n.Use == "official" && p.Name[best].Use != "official") {
			best = i
		}
	}
	if best >= 0 {
		n := p.Name[best]
		if s.name = n.Text; s.name == "" {
			s.name = strings.Join(append(slices.Clone(n.Given), n.Family), " ")
		}
	}
	s.name = strings.TrimSpace(s.name)
	return s, nil
}

// isClients reports whether an error is for the client, as that something is not there.
func isClients(err error) bool {
	var refusal *fhir.Error
	return errors.As(err, &refusal)
}
