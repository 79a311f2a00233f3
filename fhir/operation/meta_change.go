package operation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/patch"
	"github.com/portico-fhir/portico/fhir/write"
)

// metaOperations are those that change the profiles, security labels and tags of a resource.
func metaOperations() []Definition {
	return []Definition{
		{Code: "meta-add", URL: definitions + "Resource-meta-add", Instance: true, TakesBody: true, Writes: true, run: (*Operations).metaAdd},
		{Code: "meta-delete", URL: definitions + "Resource-meta-delete", Instance: true, TakesBody: true, Writes: true, run: (*Operations).metaDelete},
	}
}

// metaAdd adds what the resource does not have yet (Resource-meta-add). That makes a new
// version: versions do not change.
func (o *Operations) metaAdd(ctx context.Context, c Call) (Result, error) {
	return o.changeMeta(ctx, c, func(has, given []label) []label {
		for _, l := range given {
			if !slices.ContainsFunc(has, l.same) {
				has = append(has, l)
			}
		}
		return has
	})
}

// metaDelete removes what the resource has (Resource-meta-delete). What it has not is
// ignored.
func (o *Operations) metaDelete(ctx context.Context, c Call) (Result, error) {
	return o.changeMeta(ctx, c, func(has, given []label) []label {
		return slices.DeleteFunc(has, func(l label) bool { return slices.ContainsFunc(given, l.same) })
	})
}

func (o *Operations) changeMeta(ctx context.Context, c Call, change func(has, given []label) []label) (Result, error) {
	for _, p := range c.Params {
		return Result{}, invalid(p.Name, "The operation takes no parameter %q in the URL.", p.Name)
	}
	given, err := o.readMeta(c.Body)
	if err != nil {
		return Result{}, err
	}
	w := &write.Writer{Repository: o.Repository, Validator: o.validator()}
	results, err := w.Do(ctx, write.Request{Method: write.Patch, Key: c.Key, Patch: metaPatch{given, change}})
	if err != nil {
		return Result{}, err
	}
	return metaOf(results[0].Resource)
}

// readMeta reads the Parameters with the one parameter meta.
func (o *Operations) readMeta(body []byte) (labels, error) {
	if _, err := o.validator().Validate(body, "Parameters"); err != nil {
		return labels{}, err
	}
	var in struct {
		Parameter []struct {
			Name string
			Meta *labels `json:"valueMeta"`
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return labels{}, fhir.Errorf(fhir.CodeStructure, "Parameters", "The Parameters cannot be read.").Because(err)
	}
	if len(in.Parameter) != 1 || in.Parameter[0].Name != "meta" || in.Parameter[0].Meta == nil {
		return labels{}, fhir.Errorf(fhir.CodeInvalid, "Parameters.parameter", "There must be one parameter: meta, with a valueMeta.")
	}
	return *in.Parameter[0].Meta, nil
}

// labels are what of a Meta these operations are about.
type labels struct {
	Profile  []label `json:"profile"`
	Security []label `json:"security"`
	Tag      []label `json:"tag"`
}

// label is a Coding, or a canonical, as it is written.
type label struct {
	text string
	name string // what makes it the same as another
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *label) UnmarshalJSON(text []byte) error {
	l.text = string(text)
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &l.name)
	}
	var c struct{ System, Code, Display string }
	err := json.Unmarshal(text, &c)
	if l.name = strconv.Quote(c.System) + strconv.Quote(c.Code); c.Code == "" {
		l.name += strconv.Quote(c.Display)
	}
	return err
}

// MarshalJSON implements json.Marshaler.
func (l label) MarshalJSON() ([]byte, error) { return []byte(l.text), nil }

func (l label) same(other label) bool { return l.name == other.name }

// metaPatch changes the lists of meta one by one.
type metaPatch struct {
	given  labels
	change func(has, given []label) []label
}

// Apply implements [patch.Patch].
func (p metaPatch) Apply(body []byte) ([]byte, error) {
	var in struct {
		Meta *labels `json:"meta"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("operation: a resource cannot be read: %w", err)
	}
	if in.Meta == nil {
		in.Meta = &labels{} // of the EHR's
	}
	type op struct {
		Op    string  `json:"op"`
		Path  string  `json:"path"`
		Value []label `json:"value,omitempty"`
	}
	var ops []op
	for _, list := range []struct {
		name       string
		has, given []label
	}{
		{"profile", in.Meta.Profile, p.given.Profile}, {"security", in.Meta.Security, p.given.Security}, {"tag", in.Meta.Tag, p.given.Tag},
	} {
		before := len(list.has)
		switch after := p.change(list.has, list.given); {
		case len(after) == before:
		case len(after) == 0:
			ops = append(ops, op{Op: "remove", Path: "/meta/" + list.name})
		default:
			ops = append(ops, op{Op: "add", Path: "/meta/" + list.name, Value: after}) // in the place of what is there
		}
	}
	text, err := json.Marshal(ops)
	if err != nil {
		return nil, err
	}
	if ops == nil {
		return body, nil
	}
	done, err := patch.ParseJSON(text)
	if err != nil {
		return nil, err
	}
	return done.Apply(body)
}
