package pages

import (
	"slices"

	"github.com/portico-fhir/portico/fhir"
)

// kind is a category by which a type can be granted in part (SMART App Launch 2.2,
// scopes with search parameters; US Core's categories).
type kind struct{ System, Code string }

// filter is the kind as the search parameter of a scope.
func (k kind) filter() string { return "category=" + k.System + "|" + k.Code }

// kinds gives the categories that are offered for a type; nil for most.
func kinds(t fhir.Type) []kind {
	const (
		condition   = "http://terminology.hl7.org/CodeSystem/condition-category"
		observation = "http://terminology.hl7.org/CodeSystem/observation-category"
		usCore      = "http://hl7.org/fhir/us/core/CodeSystem/"
	)
	switch t {
	case "Condition":
		return []kind{
			{condition, "problem-list-item"},
			{condition, "encounter-diagnosis"},
			{usCore + "condition-category", "health-concern"},
		}
	case "Observation":
		return []kind{
			{observation, "laboratory"},
			{observation, "vital-signs"},
			{observation, "social-history"},
			{observation, "survey"},
			{usCore + "us-core-category", "sdoh"},
			{usCore + "us-core-observation-category", "clinical-test"},
			{observation, "imaging"},
			{observation, "procedure"},
			{observation, "exam"},
			{observation, "therapy"},
			{observation, "activity"},
		}
	}
	return nil
}

// group is a heading on the consent page and the types below it.
type group struct {
	key   string // group.<key> is its message
	types []fhir.Type
}

// groups lists the types that have words of their own (what.<Type>), in the order
// of the page.
func groups() []group {
	return []group{
		{"person", []fhir.Type{"Patient", "RelatedPerson", "Person"}},
		{"health", []fhir.Type{"Condition", "AllergyIntolerance", "FamilyMemberHistory", "Goal", "Flag", "RiskAssessment", "ClinicalImpression"}},
		{"results", []fhir.Type{"Observation", "DiagnosticReport", "Specimen", "ImagingStudy", "Media", "QuestionnaireResponse"}},
		{"treatment", []fhir.Type{
			"MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration", "Medication", "Immunization",
			"Procedure", "ServiceRequest", "CarePlan", "CareTeam", "Device", "NutritionOrder",
		}},
		{"visits", []fhir.Type{
			"Appointment", "AppointmentResponse", "Encounter", "EpisodeOfCare", "Communication", "CommunicationRequest",
			"DocumentReference", "Composition", "Binary", "Schedule", "Slot",
		}},
		{"money", []fhir.Type{"Coverage", "Claim", "ExplanationOfBenefit", "Account"}},
		{"other", []fhir.Type{
			"Consent", "Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService",
			"Provenance", "AuditEvent", "Questionnaire", "Task", "Group",
		}},
	}
}

// groupOf gives the group of a type, and whether the type has words of its own.
func groupOf(t fhir.Type) (key string, named bool) {
	for _, g := range groups() {
		if slices.Contains(g.types, t) {
			return g.key, true
		}
	}
	return "other", false
}
