package patch_test

import (
	"encoding/json"
	"testing"

	"github.com/portico-fhir/portico/fhir/patch"
)

// fuzz checks that whatever a patch is, its result is JSON with the same id, or an
// error for the client.
func fuzz(f *testing.F, parse func([]byte) (patch.Patch, error)) {
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parse(text)
		if err == nil {
			var got []byte
			if got, err = p.Apply([]byte(patient)); err == nil {
				var r struct{ ID, ResourceType string }
				if err := json.Unmarshal(got, &r); err != nil || r.ID != "p" || r.ResourceType != "Patient" {
					t.Fatalf("%q makes %q: %v", text, got, err)
				}
			}
		}
		codeOf(t, err)
	})
}

func FuzzJSONPatch(f *testing.F) {
	f.Add([]byte(`[{"op":"add","path":"/name/0/given/-","value":"x"},{"op":"remove","path":"/active"}]`))
	f.Add([]byte(`[{"op":"move","from":"/name/0/given","path":"/name/1/given"},{"op":"test","path":"/active","value":true}]`))
	f.Add([]byte(`[{"op":"copy","from":"","path":"/~01"},{"op":"replace","path":"/name/0","value":{}}]`))
	fuzz(f, patch.ParseJSON)
}

func FuzzFHIRPathPatch(f *testing.F) {
	f.Add([]byte(operation("add", "Patient", join(named("deceased"), of("Boolean", `true`))...)))
	f.Add([]byte(operation("insert", "Patient.name", join(at("index", 1), of("HumanName", `{"text":"B"}`))...)))
	f.Add([]byte(operation("delete", "Patient.name.given[0].extension")))
	f.Add([]byte(operation("move", "Patient.name.given", join(at("source", 0), at("destination", 1))...)))
	fuzz(f, patch.ParseFHIRPath)
}
