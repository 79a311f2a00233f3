package review

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/commit"
)

// System and Code are the code of the Tasks that are proposals.
const (
	System = "https://portico-fhir.github.io/CodeSystem/task"
	Code   = "review"
)

const contentType = "application/fhir+json"

type (
	coding struct {
		System string `json:"system,omitempty"`
		Code   string `json:"code,omitempty"`
	}
	concept struct {
		Coding []coding `json:"coding,omitempty"`
		Text   string   `json:"text,omitempty"`
	}
	reference struct {
		Reference string `json:"reference"`
	}
	attachment struct {
		ContentType string `json:"contentType"`
		Data        string `json:"data"`
	}
	parameter struct {
		Type       concept     `json:"type"`
		Code       string      `json:"valueCode,omitempty"`
		String     string      `json:"valueString,omitempty"`
		Attachment *attachment `json:"valueAttachment,omitempty"`
	}
	task struct {
		Type        string      `json:"resourceType"`
		Status      string      `json:"status"`
		Intent      string      `json:"intent"`
		Code        concept     `json:"code"`
		Description string      `json:"description,omitempty"`
		Focus       *reference  `json:"focus,omitempty"`
		For         *reference  `json:"for,omitempty"`
		Authored    string      `json:"authoredOn"`
		Requester   *reference  `json:"requester,omitempty"`
		Input       []parameter `json:"input"`
	}
)

// Proposal is what a Task says is to be done.
type Proposal struct {
	Status   string
	Since    string   // authoredOn
	Method   string   // create, update or delete
	Of       fhir.Key // without an ID where it is to be created
	Elements []string // at the top of the resource, which are to be something else

	actor          commit.Actor
	basis, content []byte
}

// What names what is to be changed.
func (p *Proposal) What() string {
	if p.Of.ID == "" {
		return string(p.Of.Type)
	}
	return p.Of.String()
}

// By names who wants it.
func (p *Proposal) By() string {
	if len(p.actor.Self) == 0 {
		return p.actor.Role
	}
	return p.actor.Self[0].String()
}

// Difference is an element of a proposal, as JSON; null where it is not there.
type Difference struct{ Element, Was, Wanted string }

// Changes gives the elements that are to be something else, as they were when that was proposed.
func (p *Proposal) Changes() ([]Difference, error) {
	var states [2]map[string]json.RawMessage
	for i, body := range [][]byte{p.basis, p.content} {
		if body == nil {
			continue
		}
		if err := json.Unmarshal(body, &states[i]); err != nil {
			return nil, fmt.Errorf("review: read a proposal: %w", err)
		}
	}
	show := func(m map[string]json.RawMessage, name string) string {
		if v, ok := m[name]; ok {
			return string(v)
		}
		return "null"
	}
	var out []Difference
	for _, name := range p.Elements {
		out = append(out, Difference{name, show(states[0], name), show(states[1], name)})
	}
	return out, nil
}

// newTask makes the Task of a proposal.
func newTask(ctx context.Context, p *commit.Pending, now time.Time) ([]byte, error) {
	actor, _ := commit.ActorOf(ctx)
	method := "update"
	switch {
	case p.Current.Body == nil:
		method = "create"
	case p.Change.Method == fhir.Delete:
		method = "delete"
	}
	t := task{
		Type: "Task", Status: "requested", Intent: "proposal", Code: concept{Coding: []coding{{System, Code}}},
		Description: method + " " + string(p.Change.Key.Type), Authored: now.UTC().Format("2006-01-02T15:04:05.000Z"),
		Input: []parameter{text("method", method), text("type", string(p.Change.Key.Type)), text("role", actor.Role)},
	}
	for _, self := range actor.Self {
		if t.Requester == nil {
			t.Requester = &reference{self.String()}
		}
		t.Input = append(t.Input, parameter{Type: concept{Text: "self"}, String: self.String()})
	}
	for _, name := range p.Elements {
		t.Input = append(t.Input, text("element", name))
	}
	subject := p.Change.Body
	if p.Current.Body != nil {
		t.Focus = &reference{p.Current.Key.String()}
		t.Input = append(t.Input, attached("basis", p.Current.Body))
		subject = p.Current.Body
	}
	if p.Change.Method != fhir.Delete {
		t.Input = append(t.Input, attached("content", p.Change.Body))
	}
	if whose := patientOf(p, subject); whose != "" {
		t.For = &reference{whose}
	}
	body, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("review: make a Task: %w", err)
	}
	return body, nil
}

func text(name, code string) parameter { return parameter{Type: concept{Text: name}, Code: code} }

func attached(name string, body []byte) parameter {
	return parameter{Type: concept{Text: name}, Attachment: &attachment{contentType, base64.StdEncoding.EncodeToString(body)}}
}

// patientOf gives a reference to the patient that a resource is about, by the elements of that name; "" when
// it does not say.
func patientOf(p *commit.Pending, body []byte) string {
	if p.Change.Key.Type == "Patient" && p.Current.ID != "" {
		return p.Current.Key.String()
	}
	var about struct {
		Subject, Patient struct{ Reference string }
		Participant      []struct{ Actor struct{ Reference string } }
	}
	_ = json.Unmarshal(body, &about) // elements of another kind are none of these
	all := []string{about.Subject.Reference, about.Patient.Reference}
	for _, p := range about.Participant {
		all = append(all, p.Actor.Reference)
	}
	for _, ref := range all {
		if to := fhir.ParseReference(ref, ""); to.Kind == fhir.RefLocal && to.Key.Type == "Patient" {
			return to.Key.String()
		}
	}
	return ""
}

// Read reads a Task; not ok where it is no proposal.
func Read(body []byte) (p Proposal, ok bool) {
	var t task
	if json.Unmarshal(body, &t) != nil || !isProposal(&t) {
		return p, false
	}
	p.Status, p.Since = t.Status, t.Authored
	if t.Focus != nil {
		p.Of = fhir.ParseReference(t.Focus.Reference, "").Key
	}
	for _, in := range t.Input {
		switch in.Type.Text {
		case "method":
			p.Method = in.Code
		case "type":
			p.Of.Type = fhir.Type(in.Code)
		case "element":
			p.Elements = append(p.Elements, in.Code)
		case "role":
			p.actor.Role = in.Code
		case "self":
			p.actor.Self = append(p.actor.Self, fhir.ParseReference(in.String, "").Key)
		case "basis":
			p.basis = in.Attachment.decoded()
		case "content":
			p.content = in.Attachment.decoded()
		}
	}
	return p, true
}

func isProposal(t *task) bool {
	for _, c := range t.Code.Coding {
		if c == (coding{System, Code}) {
			return true
		}
	}
	return false
}

func (a *attachment) decoded() []byte {
	if a == nil {
		return nil
	}
	body, err := base64.StdEncoding.DecodeString(a.Data)
	if err != nil {
		return nil
	}
	return body
}

// members reads the members of a resource; numbers keep their text.
func members(body []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("review: read a resource: %w", err)
	}
	return out, nil
}
