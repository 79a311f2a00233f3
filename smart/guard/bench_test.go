package guard_test

import (
	"context"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
	"github.com/portico-fhir/portico/smart/guard"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/smart/scope"
)

// still answers every read and search with one resource.
type still struct {
	fhir.Repository
	res    fhir.Resource
	params map[fhir.Type][]*fhir.SearchParam
}

func (s *still) Read(context.Context, fhir.Key) (fhir.Resource, error) { return s.res, nil }

func (s *still) Search(context.Context, *fhir.Query) (fhir.Page, error) {
	return fhir.Page{Resources: []fhir.Resource{s.res}}, nil
}

func (s *still) Describe(t fhir.Type) fhir.Capability {
	return fhir.Capability{Read: true, Search: true, Params: s.params[t]}
}

// an Observation of 1.5 kB.
const observation = `{"resourceType":"Observation","id":"o","meta":{"versionId":"1","lastUpdated":"2026-01-01T10:00:00.000Z","profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]},
"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory","display":"Laboratory"}]}],
"code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel with all children optional"}],"text":"Blood pressure panel with all children optional"},
"encounter":{"reference":"Encounter/3b8e1c2a-9c1d-4b9c-8a56-0a5b1a1c9d10"},"effectiveDateTime":"2025-12-30T08:12:00+01:00","issued":"2025-12-30T08:12:00.123+01:00",
"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4","display":"Diastolic Blood Pressure"}],"text":"Diastolic Blood Pressure"},"valueQuantity":{"value":79,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6","display":"Systolic Blood Pressure"}],"text":"Systolic Blood Pressure"},"valueQuantity":{"value":118,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}],
"interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N"}]}],"subject":{"reference":"Patient/p"}}`

// BenchmarkRead is what the guard adds to a read: an open read takes about 29 µs.
func BenchmarkRead(b *testing.B) {
	data, err := policy.Default()
	if err != nil {
		b.Fatal(err)
	}
	inner := &still{res: fhir.Resource{Key: fhir.Key{Type: "Observation", ID: "o"}, Version: "1", Body: []byte(observation)}, params: indexed()}
	for name, scopes := range map[string]string{
		"scopes": "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Condition.rs patient/Observation.rs patient/Encounter.rs",
		"filter": "patient/Observation.rs?category=laboratory",
	} {
		set, _ := scope.Parse(scopes)
		r := &guard.Repository{Inner: inner, Policy: data, Base: base}
		ctx := access.With(b.Context(), &access.Access{Kind: access.Patient, Actor: fhir.Key{Type: "Patient", ID: "p"}, Patient: "p", Scopes: set})
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Read(ctx, inner.res.Key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
