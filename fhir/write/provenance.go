package write

import (
	"bytes"
	"encoding/json"

	"github.com/portico-fhir/portico/fhir"
)

// Provenance is what a client says about where its write comes from (R4 6.3.4.6): a
// Provenance resource without a target. It is written in the same commit, with all that the
// request writes as its targets.
type Provenance struct {
	Body  []byte        // a JSON object
	NewID func() string // for resources whose id would be known only when they are written
}

// ParseProvenance reads the text of an X-Provenance header. The error is a *fhir.Error.
func ParseProvenance(text string, v Validator, newID func() string) (*Provenance, error) {
	body := bytes.TrimSpace([]byte(text))
	var seen struct {
		Target json.RawMessage `json:"target"`
	}
	if err := json.Unmarshal(body, &seen); err != nil || len(body) == 0 || body[0] != '{' {
		return nil, fhir.Errorf(fhir.CodeInvalid, "http.X-Provenance", "X-Provenance must be a Provenance resource as JSON.")
	}
	if seen.Target != nil {
		return nil, fhir.Errorf(fhir.CodeInvalid, "http.X-Provenance", "The Provenance must have no target: that is what this request writes.")
	}
	p := &Provenance{Body: body, NewID: newID}
	if _, err := v.Validate(p.about([]string{"Basic/1"}), "Provenance"); err != nil {
		return nil, fhir.Errorf(fhir.CodeInvalid, "http.X-Provenance", "The Provenance in X-Provenance is not valid: %v", err)
	}
	return p, nil
}

// about gives the resource with its targets, which need no JSON escapes.
func (p *Provenance) about(targets []string) []byte {
	body := append([]byte(nil), bytes.TrimRight(p.Body[:len(p.Body)-1], " \t\r\n")...)
	body = append(body, `,"target":[`...)
	for i, t := range targets {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(append(append(body, `{"reference":"`...), t...), `"}`...)
	}
	return append(body, `]}`...)
}

// with gives the changes and behind them the one that writes the Provenance.
func (p *Provenance) with(changes []fhir.Change, describe func(fhir.Type) fhir.Capability) []fhir.Change {
	all := append(make([]fhir.Change, 0, len(changes)+1), changes...)
	targets := make([]string, len(changes))
	for i := range all {
		c := &all[i]
		if c.Method == fhir.Create && c.Key.ID == "" && describe(c.Key.Type).UpdateCreate {
			c.Key.ID = p.NewID()
		}
		targets[i] = c.Key.String()
		if c.Key.ID == "" {
			targets[i] += unknown // the EHR chooses it
		}
	}
	return append(all, fhir.Change{
		Method: fhir.Create, Key: fhir.Key{Type: "Provenance", ID: p.NewID()}, Body: p.about(targets),
		Finish: func(before []fhir.Result) ([]byte, error) { return p.finish(before), nil },
	})
}

// unknown stands for the id of a resource until it is known.
const unknown = "new"

// finish names the versions that were made. When nothing was changed, there is nothing to
// write.
func (p *Provenance) finish(before []fhir.Result) []byte {
	var made []string
	for _, res := range before {
		switch res.Status {
		case fhir.Created, fhir.Updated, fhir.Deleted:
			made = append(made, res.Resource.Key.String()+"/_history/"+res.Resource.Version)
		case fhir.Unchanged, fhir.Absent:
		}
	}
	if len(made) == 0 {
		return nil
	}
	return p.about(made)
}
