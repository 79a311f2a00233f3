package operation

import (
	"context"
	"slices"
	"strings"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/fhir/schema"
)

// supporting are the types that are returned when something refers to them. None
// is about a patient: a reference to another patient's record leads nowhere.
var supporting = []fhir.Type{
	"Binary", "Device", "Endpoint", "HealthcareService", "Location", "Medication", "Organization", "Practitioner", "PractitionerRole", "Substance",
}

// Bounds on what supports one page.
const (
	maxSupport   = 2000 // resources
	supportDepth = 4    // as Observation, PractitionerRole, Practitioner, Organization
	supportBatch = 100  // ids in one query
)

// careDates are the search parameters that date care, by type. Types that are
// not here are always in scope: what they date is the record, or nothing.
var careDates = map[fhir.Type]string{
	"AdverseEvent": "date", "Appointment": "date", "CarePlan": "date", "CareTeam": "date", "ChargeItem": "occurrence",
	"Claim": "created", "ClinicalImpression": "date", "Communication": "sent", "CommunicationRequest": "occurrence",
	"Composition": "date", "Condition": "onset-date", "DetectedIssue": "identified", "DiagnosticReport": "date",
	"DocumentReference": "date", "Encounter": "date", "EpisodeOfCare": "date", "ExplanationOfBenefit": "created",
	"Flag": "date", "Goal": "start-date", "ImagingStudy": "started", "Immunization": "date", "ImmunizationEvaluation": "date",
	"ImmunizationRecommendation": "date", "List": "date", "Media": "created", "MedicationAdministration": "effective-time",
	"MedicationDispense": "whenhandedover", "MedicationRequest": "authoredon", "MedicationStatement": "effective",
	"NutritionOrder": "datetime", "Observation": "date", "Procedure": "date", "QuestionnaireResponse": "authored",
	"RequestGroup": "authored", "RiskAssessment": "date", "ServiceRequest": "authored", "Specimen": "collected",
	"SupplyRequest": "date", "VisionPrescription": "datewritten",
}

// support gives what the resources of a page refer to, directly or through what
// is given, and with an encounter its patient. It is the same for _since: what
// changed is useless without.
func (o *Operations) support(ctx context.Context, r *request, root fhir.Resource, found []fhir.Resource) ([]fhir.Resource, error) {
	seen := make(map[fhir.Key]bool)
	for _, res := range found {
		seen[res.Key] = true
	}
	var all []fhir.Resource
	from := found
	for depth := 0; depth < supportDepth && len(from) > 0; depth++ {
		wanted := make(map[fhir.Type][]string)
		for _, res := range from {
			keys, err := references(res, o.Search.Base)
			if err != nil {
				return nil, err
			}
			for _, key := range keys {
				own := key.Type == "Patient" && root.Type == "Encounter" && res.Key == root.Key
				if !seen[key] && r.wants(key.Type) && (own || slices.Contains(supporting, key.Type)) {
					seen[key] = true
					wanted[key.Type] = append(wanted[key.Type], key.ID)
				}
			}
		}
		if len(seen) > len(found)+maxSupport {
			return nil, fhir.Errorf(fhir.CodeTooCostly, "http._count", "The page refers to more than %d other resources. Ask for smaller pages by _count.", maxSupport)
		}
		var err error
		if from, err = o.fetch(ctx, wanted); err != nil {
			return nil, err
		}
		all = append(all, from...)
	}
	return all, nil
}

// fetch finds resources by id, in the order of types and ids. Those that are gone
// are left out.
func (o *Operations) fetch(ctx context.Context, wanted map[fhir.Type][]string) ([]fhir.Resource, error) {
	var all []fhir.Resource
	for _, t := range fhir.Types() {
		can := o.Search.Describe(t)
		id := param(can, "_id")
		if len(wanted[t]) == 0 || id == nil || !can.Search || !fhir.MaySearch(ctx, o.Repository, t) {
			continue
		}
		for ids := range slices.Chunk(wanted[t], supportBatch) {
			where := make(fhir.Or, len(ids))
			for i, v := range ids {
				where[i] = fhir.Term{Param: id, Value: fhir.TokenValue{Code: v, AnySystem: true}}
			}
			q := &fhir.Query{Type: t, Where: where, Count: len(ids)}
			for {
				page, err := o.Repository.Search(ctx, q)
				if err != nil {
					return nil, err
				}
				all = append(all, page.Resources...)
				if page.Next == "" {
					break
				}
				q.Cursor = page.Next
			}
		}
	}
	return all, nil
}

// references gives the resources of this server that one refers to, attachments
// included, in the order of the document.
func references(res fhir.Resource, base string) ([]fhir.Key, error) {
	doc, err := path.NewDoc(res.Body, schema.Model{})
	if err != nil {
		return nil, malformed(res.Key, err)
	}
	model := schema.Model{}
	want := func(at path.Place) bool {
		return at.Name == "reference" && model.Name(at.Parent) == "Reference" || at.Name == "url" && model.Name(at.Parent) == "Attachment"
	}
	var keys []fhir.Key
	for _, it := range doc.Elements(want) {
		s := it.String()
		if strings.IndexByte(s, '/') < 0 {
			continue
		}
		if ref := fhir.ParseReference(s, base); ref.Kind == fhir.RefLocal {
			keys = append(keys, ref.Key)
		}
	}
	return keys, nil
}
