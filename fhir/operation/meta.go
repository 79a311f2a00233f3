package operation

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/portico-fhir/portico/fhir"
)

// meta gives the profiles, security labels and tags of a resource
// (Resource-meta).
func (o *Operations) meta(ctx context.Context, c Call) (Result, error) {
	for _, p := range c.Params {
		return Result{}, invalid("query", "$meta takes no parameter %q.", p.Name)
	}
	res, err := o.Repository.Read(ctx, c.Key)
	if err != nil {
		return Result{}, err
	}
	return metaOf(res)
}

// metaOf answers with the meta of a resource.
func metaOf(res fhir.Resource) (Result, error) {
	var body struct {
		Meta map[string]json.RawMessage `json:"meta"`
	}
	if err := json.Unmarshal(res.Body, &body); err != nil {
		return Result{}, malformed(res.Key, err)
	}
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Parameters","parameter":[{"name":"return","valueMeta":{`)
	first := true
	for _, name := range []string{"versionId", "lastUpdated", "profile", "security", "tag"} {
		value, ok := body.Meta[name]
		if !ok {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString(`"` + name + `":`)
		b.Write(value)
	}
	b.WriteString(`}}]}`)
	if first {
		// An empty Meta is not allowed, and return is mandatory (R4 2.6.2).
		return Result{}, fhir.Errorf(fhir.CodeNotFound, "", "%s has no meta.", res.Key)
	}
	return Result{Parameters: b.Bytes()}, nil
}
