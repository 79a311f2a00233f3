package guard_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/access"
)

// This file says what is visible to whom, in the plainest way and without the code or
// the data of the guard: it is what the guard is held against.

// apart has for each type that may be of several records the element that names all of
// them.
var apart = map[fhir.Type][]string{
	"Appointment": {"participant", "actor"}, "AuditEvent": {"entity", "what"}, "Communication": {"recipient"}, "CommunicationRequest": {"recipient"},
	"Schedule": {"actor"},
}

// recordOf has for each type of a record the element that names the patient.
var recordOf = fields(`
	Account subject | AdverseEvent subject | AllergyIntolerance patient | Appointment participant.actor | AppointmentResponse actor | AuditEvent entity.what
	Basic subject | BodyStructure patient | CarePlan subject | CareTeam subject | ChargeItem subject | Claim patient | ClaimResponse patient
	ClinicalImpression subject | Communication subject | CommunicationRequest subject | Composition subject | Condition subject | Consent patient
	Coverage beneficiary | CoverageEligibilityRequest patient | CoverageEligibilityResponse patient | DetectedIssue patient | Device patient
	DeviceRequest subject | DeviceUseStatement subject | DiagnosticReport subject | DocumentManifest subject | DocumentReference subject
	Encounter subject | EnrollmentRequest candidate | EpisodeOfCare patient | ExplanationOfBenefit patient | FamilyMemberHistory patient | Flag subject
	Goal subject | ImagingStudy subject | Immunization patient | ImmunizationEvaluation patient | ImmunizationRecommendation patient | Invoice subject
	List subject | MeasureReport subject | Media subject | MedicationAdministration subject | MedicationDispense subject | MedicationRequest subject
	MedicationStatement subject | MolecularSequence patient | NutritionOrder patient | Observation subject | Procedure subject | Provenance target
	QuestionnaireResponse subject | RelatedPerson patient | RequestGroup subject | ResearchSubject individual | RiskAssessment subject
	ServiceRequest subject | Specimen subject | SupplyDelivery patient | SupplyRequest deliverTo | VisionPrescription patient`)

// shared are the types that anybody who is signed in may see.
var shared = strings.Fields(`Organization Practitioner PractitionerRole Location HealthcareService Medication Schedule Slot Questionnaire
	CapabilityStatement CodeSystem CompartmentDefinition ConceptMap GraphDefinition ImplementationGuide MessageDefinition NamingSystem
	OperationDefinition SearchParameter StructureDefinition StructureMap TerminologyCapabilities ValueSet`)

// columns have what a proxy may read: types, with ":code" of a category, and "!" where
// the proxy must be a party.
var columns = map[string][]string{
	"child": strings.Fields(`Patient RelatedPerson! Immunization ImmunizationEvaluation ImmunizationRecommendation AllergyIntolerance Appointment AppointmentResponse
		Communication MedicationRequest MedicationDispense MedicationStatement MedicationAdministration
		Observation:laboratory Observation:vital-signs Observation:imaging Observation:survey DiagnosticReport Specimen ImagingStudy Media Condition Encounter Procedure
		QuestionnaireResponse DocumentReference Composition Coverage CoverageEligibilityRequest CoverageEligibilityResponse Claim ClaimResponse ExplanationOfBenefit Consent! AuditEvent!`),
	"limited": strings.Fields(`Patient RelatedPerson! Immunization ImmunizationEvaluation ImmunizationRecommendation AllergyIntolerance Communication! Consent! AuditEvent!`),
}

func fields(text string) map[string][]string {
	all := make(map[string][]string)
	for entry := range strings.SplitSeq(strings.ReplaceAll(text, "\n", "|"), "|") {
		if f := strings.Fields(entry); len(f) == 2 {
			all[f[0]] = strings.Split(f[1], ".")
		}
	}
	return all
}

// token is somebody who asks.
type token struct {
	name   string
	kind   access.Kind
	id     string // of the patient, or the practitioner
	actor  string // of a proxy, the id of the RelatedPerson
	column string // of a proxy
	inside string // the patient in context of a clinician
	scopes string
}

// scopes gives what filters a scope of one of the contexts puts on a type; granted is
// false without one, and "" is no filter.
func (k *token) allows(context, typ, letter string) (filters []string, granted bool) {
	for one := range strings.FieldsSeq(k.scopes) {
		c, rest, ok := strings.Cut(one, "/")
		rest, filter, _ := strings.Cut(rest, "?")
		name, letters, _ := strings.Cut(rest, ".")
		switch letters {
		case "read":
			letters = "rs"
		case "write":
			letters = "cud"
		case "*":
			letters = "cruds"
		}
		if ok && c == context && (name == typ || name == "*") && strings.Contains(letters, letter) {
			filters, granted = append(filters, filter), true
		}
	}
	return filters, granted
}

// has reports whether the token has any scope for a letter on a type.
func (k *token) has(typ fhir.Type, letter string) bool {
	for _, c := range k.contexts() {
		if _, ok := k.allows(c, string(typ), letter); ok {
			return true
		}
	}
	return false
}

func (k *token) contexts() []string {
	if k.kind == access.System {
		return []string{"system"}
	}
	return []string{"patient", "user"}
}

// sees reports whether a resource is visible.
func (w *world) sees(k *token, key fhir.Key, letter string) bool {
	body := w.bodies[key]
	if body == nil {
		return false
	}
	for _, c := range k.contexts() {
		filters, _ := k.allows(c, string(key.Type), letter)
		for _, f := range filters {
			if satisfies(body, f) && w.policy(k, c, key, body) {
				return true
			}
		}
	}
	return false
}

// policy reports whether the policy lets somebody see a resource, scopes aside.
func (w *world) policy(k *token, context string, key fhir.Key, body map[string]any) bool {
	if k.kind == access.System || slices.Contains(shared, string(key.Type)) {
		return true
	}
	lay := k.kind == access.Patient || k.kind == access.Proxy
	if w.release && lay && key.Type == "Observation" && satisfies(body, "category=laboratory") && body["issued"] == nil {
		return false
	}
	switch k.kind {
	case access.Patient:
		return w.about(key, body, func(p string) bool { return p == k.id })
	case access.Proxy:
		return k.column != "" && w.about(key, body, func(p string) bool { return p == k.id }) && w.opened(k, key, body)
	case access.Clinician:
		treats := func(p string) bool { return w.treated(k.id)[p] && (context == "user" || p == k.inside) }
		// What is nobody's is in every record, but not for those who see none.
		return slices.ContainsFunc(w.patient, treats) && w.about(key, body, treats)
	}
	return false
}

// about reports whether a resource is part of the record of such a patient.
func (w *world) about(key fhir.Key, body map[string]any, who func(string) bool) bool {
	if key.Type == "Patient" {
		return who(key.ID)
	}
	path := recordOf[string(key.Type)]
	if path == nil {
		return false
	}
	if key.Type == "Provenance" {
		return w.from(body, who)
	}
	var elements []map[string]any
	walk(body, path, &elements)
	if len(elements) == 0 {
		switch key.Type {
		case "Device":
			return true
		case "Communication", "CommunicationRequest":
			walk(body, []string{"sender"}, &elements)
			walk(body, []string{"recipient"}, &elements)
		}
	}
	return slices.ContainsFunc(elements, func(e map[string]any) bool {
		id, ok := local(e, "Patient")
		return ok && who(id)
	})
}

// from reports whether a Provenance says where parts of such a record come from, and
// nothing else.
func (w *world) from(body map[string]any, who func(string) bool) bool {
	var elements []map[string]any
	walk(body, []string{"target"}, &elements)
	any := false
	for _, e := range elements {
		ref, _ := e["reference"].(string)
		typ, id, _ := strings.Cut(strings.TrimPrefix(ref, base+"/"), "/")
		key := fhir.Key{Type: fhir.Type(typ), ID: id}
		if !key.Type.Valid() || strings.Contains(id, "/") {
			continue // no reference to this server
		}
		target := w.bodies[key]
		if target == nil || key.Type == "Provenance" || !w.about(key, target, who) {
			return false
		}
		any = true
	}
	return any
}

// opened reports whether the column of a proxy has the resource.
func (w *world) opened(k *token, key fhir.Key, body map[string]any) bool {
	party := func(names ...string) bool {
		var all []map[string]any
		for _, name := range names {
			walk(body, strings.Split(name, "."), &all)
		}
		return slices.ContainsFunc(all, func(e map[string]any) bool {
			id, ok := local(e, "RelatedPerson")
			return ok && id == k.actor
		})
	}
	for _, entry := range columns[k.column] {
		name, own := strings.CutSuffix(entry, "!")
		name, category, _ := strings.Cut(name, ":")
		if name != string(key.Type) || (category != "" && !satisfies(body, "category="+category)) {
			continue
		}
		switch {
		case !own:
			return true
		case key.Type == "RelatedPerson":
			return key.ID == k.actor
		case key.Type == "Communication":
			return party("sender", "recipient")
		case key.Type == "AuditEvent":
			return party("agent.who")
		case key.Type == "Consent":
			return party("provision.actor.reference")
		}
	}
	return false
}

// treated gives whom a practitioner treats.
func (w *world) treated(id string) map[string]bool {
	if w.treats == nil {
		w.treats = make(map[string]map[string]bool)
	}
	if w.treats[id] != nil {
		return w.treats[id]
	}
	is := func(e map[string]any) bool {
		if own, ok := local(e, "Practitioner"); ok {
			return own == id
		}
		role, ok := local(e, "PractitionerRole")
		return ok && w.plays(role, id)
	}
	all := make(map[string]bool)
	for key, body := range w.bodies {
		var who []map[string]any
		switch key.Type {
		case "Patient":
			walk(body, []string{"generalPractitioner"}, &who)
		case "Encounter":
			if period, ok := body["period"].(map[string]any); ok && !moment(period["start"]).After(w.now.AddDate(0, 0, 30)) {
				walk(body, []string{"participant", "individual"}, &who)
			}
		case "Appointment":
			counts := slices.Contains([]any{"booked", "arrived", "checked-in", "fulfilled", "noshow"}, body["status"])
			if at := moment(body["start"]); counts && !at.IsZero() && at.Sub(w.now).Abs() <= 30*24*time.Hour {
				walk(body, []string{"participant", "actor"}, &who)
			}
		case "CareTeam":
			if body["status"] == "active" {
				walk(body, []string{"participant", "member"}, &who)
			}
		case "ServiceRequest":
			if body["status"] == "active" {
				walk(body, []string{"requester"}, &who)
				walk(body, []string{"performer"}, &who)
			}
		}
		if !slices.ContainsFunc(who, is) {
			continue
		}
		for _, p := range w.patient {
			if w.about(key, body, func(id string) bool { return id == p }) {
				all[p] = true
			}
		}
	}
	w.treats[id] = all
	return all
}

// plays reports whether a role is one of the practitioner.
func (w *world) plays(role, id string) bool {
	var who []map[string]any
	walk(w.bodies[fhir.Key{Type: "PractitionerRole", ID: role}], []string{"practitioner"}, &who)
	return slices.ContainsFunc(who, func(e map[string]any) bool {
		own, ok := local(e, "Practitioner")
		return ok && own == id
	})
}

func moment(v any) time.Time {
	s, _ := v.(string)
	at, _ := time.Parse(time.RFC3339, s)
	return at
}

// walk collects the objects at a path.
func walk(v any, path []string, out *[]map[string]any) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			walk(one, path, out)
		}
	case map[string]any:
		if len(path) == 0 {
			*out = append(*out, v)
			return
		}
		walk(v[path[0]], path[1:], out)
	}
}

// local gives the id that a Reference of that type has, if it is one to this server
// and names no version.
func local(e map[string]any, typ string) (string, bool) {
	ref, _ := e["reference"].(string)
	ref = strings.TrimPrefix(ref, base+"/")
	id, ok := strings.CutPrefix(ref, typ+"/")
	return id, ok && id != "" && !strings.ContainsAny(id, "/#|")
}

// satisfies evaluates the few filters that the tests use.
func satisfies(body map[string]any, filter string) bool {
	if filter == "" {
		return true
	}
	for pair := range strings.SplitSeq(filter, "&") {
		name, value, _ := strings.Cut(pair, "=")
		system, code, coded := strings.Cut(value, "|")
		if !coded {
			code = value
		}
		found := fmt.Sprint(body[name]) == value
		var codings []map[string]any
		walk(body[name], []string{"coding"}, &codings)
		for _, c := range codings {
			found = found || c["code"] == code && (!coded || c["system"] == system)
		}
		if !found {
			return false
		}
	}
	return true
}
