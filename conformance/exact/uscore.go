package exact

import (
	"strings"
	"time"
)

// USCore are the combinations of parameters that US Core asks a server to
// support (SHALL or SHOULD, versions 3.1.1 to 7.0), by type, as far as they are R4's
// own parameters. Combinations with patient are of one patient's resources.
func USCore() map[string][][]string {
	with := func(combinations ...[]string) [][]string {
		all := [][]string{{"patient"}}
		for _, c := range combinations {
			all = append(all, append([]string{"patient"}, c...))
		}
		return all
	}
	c := func(names ...string) []string { return names }
	return map[string][][]string{
		"Patient": {c("_id"), c("identifier"), c("name"), c("birthdate", "name"), c("gender", "name"), c("birthdate", "family"), c("family", "gender"), c("death-date", "family")},
		"Observation": with(c("category"), c("code"), c("category", "date"), c("category", "status"), c("code", "date"),
			c("category", "_lastUpdated")),
		"MedicationRequest":     with(c("intent"), c("intent", "status"), c("intent", "encounter"), c("intent", "authoredon")),
		"AllergyIntolerance":    with(c("clinical-status")),
		"CarePlan":              with(c("category"), c("category", "date"), c("category", "status"), c("category", "status", "date")),
		"CareTeam":              with(c("status")),
		"Condition":             with(c("category"), c("clinical-status"), c("code"), c("onset-date"), c("abatement-date"), c("recorded-date"), c("category", "clinical-status"), c("category", "encounter"), c("_lastUpdated")),
		"Coverage":              with(),
		"Device":                with(c("type"), c("status")),
		"DiagnosticReport":      with(c("category"), c("category", "date"), c("code"), c("code", "date"), c("status"), c("_lastUpdated")),
		"DocumentReference":     with(c("_id"), c("category"), c("category", "date"), c("type"), c("status"), c("type", "period")),
		"Encounter":             with(c("_id"), c("date"), c("identifier"), c("class"), c("type"), c("status"), c("location"), c("_lastUpdated")),
		"Goal":                  with(c("lifecycle-status"), c("target-date")),
		"Immunization":          with(c("date"), c("status")),
		"Location":              {c("name"), c("address"), c("address-city"), c("address-state"), c("address-postalcode")},
		"MedicationDispense":    with(c("status"), c("status", "type")),
		"Organization":          {c("name"), c("address")},
		"Practitioner":          {c("_id"), c("name"), c("identifier")},
		"PractitionerRole":      {c("specialty"), c("practitioner")},
		"Procedure":             with(c("date"), c("code", "date"), c("status")),
		"QuestionnaireResponse": with(c("_id"), c("authored"), c("questionnaire"), c("status")),
		"RelatedPerson":         append(with(c("name")), c("_id")),
		"ServiceRequest":        with(c("_id"), c("category"), c("category", "authored"), c("code"), c("code", "authored"), c("status")),
		"Specimen":              append(with(), c("_id")),
	}
}

// USCoreAttributes are the parameters of these combinations.
func USCoreAttributes() map[string][]Attribute {
	token := func(name string, paths ...string) Attribute {
		return Attribute{Name: name, Kind: "token", Values: path(paths...)}
	}
	coded := func(name, p, system string) Attribute {
		return Attribute{Name: name, Kind: "token", Values: code(p, system)}
	}
	date := func(name string, paths ...string) Attribute {
		return Attribute{Name: name, Kind: "date", Values: path(paths...)}
	}
	text := func(name string, paths ...string) Attribute {
		return Attribute{Name: name, Kind: "string", Values: path(paths...)}
	}
	address := Attribute{Name: "address", Kind: "string", Values: parts("address", addressParts...)}
	names := Attribute{Name: "name", Kind: "string", Values: parts("name", nameParts...)}
	reference := func(name, only, p string) Attribute {
		return Attribute{Name: name, Kind: "reference", Only: only, Values: path(p)}
	}
	about := func(p string) Attribute {
		return Attribute{Name: "patient", Kind: "reference", Only: "Patient", Values: to("Patient", p)}
	}
	encounter := reference("encounter", "Encounter", "encounter")
	identifier, category, codes := token("identifier", "identifier"), token("category", "category"), token("code", "code")
	all := map[string][]Attribute{
		"Patient": {identifier, names, date("birthdate", "birthDate"), coded("gender", "gender", "http://hl7.org/fhir/administrative-gender"), text("family", "name.family"), date("death-date", "deceasedDateTime")},
		"Observation": {
			about("subject"), category, codes, date("date", "effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming"),
			coded("status", "status", "http://hl7.org/fhir/observation-status"),
		},
		"MedicationRequest": {
			about("subject"), coded("intent", "intent", "http://hl7.org/fhir/CodeSystem/medicationrequest-intent"),
			coded("status", "status", "http://hl7.org/fhir/CodeSystem/medicationrequest-status"), encounter, date("authoredon", "authoredOn"),
		},
		"AllergyIntolerance": {about("patient"), token("clinical-status", "clinicalStatus")},
		"CarePlan":           {about("subject"), category, date("date", "period"), coded("status", "status", "http://hl7.org/fhir/request-status")},
		"CareTeam":           {about("subject"), coded("status", "status", "http://hl7.org/fhir/care-team-status")},
		"Condition": {
			about("subject"), category, token("clinical-status", "clinicalStatus"), codes, encounter, date("onset-date", "onsetDateTime", "onsetPeriod"),
			date("abatement-date", "abatementDateTime", "abatementPeriod"), date("recorded-date", "recordedDate"),
		},
		"Coverage": {about("beneficiary")},
		"Device":   {about("patient"), token("type", "type"), coded("status", "status", "http://hl7.org/fhir/device-status")},
		"DiagnosticReport": {
			about("subject"), category, codes, date("date", "effectiveDateTime", "effectivePeriod"),
			coded("status", "status", "http://hl7.org/fhir/diagnostic-report-status"),
		},
		"DocumentReference": {
			about("subject"), category, token("type", "type"), date("date", "date"), date("period", "context.period"),
			coded("status", "status", "http://hl7.org/fhir/document-reference-status"),
		},
		"Encounter": {
			about("subject"), identifier, token("class", "class"), token("type", "type"), date("date", "period"),
			coded("status", "status", "http://hl7.org/fhir/encounter-status"), reference("location", "Location", "location.location"),
		},
		"Goal":               {about("subject"), coded("lifecycle-status", "lifecycleStatus", "http://hl7.org/fhir/goal-status"), date("target-date", "target.dueDate")},
		"Immunization":       {about("patient"), date("date", "occurrenceDateTime"), coded("status", "status", "http://hl7.org/fhir/event-status")},
		"Location":           {text("name", "name", "alias"), address, text("address-city", "address.city"), text("address-state", "address.state"), text("address-postalcode", "address.postalCode")},
		"MedicationDispense": {about("subject"), token("type", "type"), coded("status", "status", "http://terminology.hl7.org/CodeSystem/medicationdispense-status")},
		"Organization":       {text("name", "name", "alias"), address},
		"Practitioner":       {names, identifier},
		"PractitionerRole":   {token("specialty", "specialty"), reference("practitioner", "Practitioner", "practitioner")},
		"Procedure":          {about("subject"), codes, date("date", "performedDateTime", "performedPeriod"), coded("status", "status", "http://hl7.org/fhir/event-status")},
		"QuestionnaireResponse": {
			about("subject"), date("authored", "authored"),
			{Name: "questionnaire", Kind: "canonical", Values: path("questionnaire")},
			coded("status", "status", "http://hl7.org/fhir/questionnaire-answers-status"),
		},
		"RelatedPerson": {about("patient"), names},
		"ServiceRequest": {
			about("subject"), category, codes, date("authored", "authoredOn"),
			coded("status", "status", "http://hl7.org/fhir/request-status"),
		},
		"Specimen": {about("subject")},
	}
	for typ := range all {
		all[typ] = append(all[typ], coded("_id", "id", ""), date("_lastUpdated", "meta.lastUpdated"))
	}
	return all
}

// Samples gives values that find v, or all things like it: what a client would
// send who knows the resource.
func (a Attribute) Samples(v any, c Clock) []string {
	switch a.Kind {
	case "token":
		return tokenSamples(v)
	case "date":
		m := readTimes(v, c.Zone)
		day := func(prefix string, at moments, days int, from bool) string {
			t := at.to
			if from {
				t = at.from
			}
			return prefix + t.AddDate(0, 0, days).In(time.FixedZone("", 2*3600)).Format("2006-01-02T15:04:05Z07:00")
		}
		var out []string
		if m.to != future {
			out = append(out, day("lt", m, 1, false), day("le", m, 1, false))
		}
		if m.from != past {
			out = append(out, day("gt", m, -1, true), day("ge", m, -1, true))
		}
		return out
	case "string":
		word := v.(string)
		half := string([]rune(word)[:(len([]rune(word))+1)/2])
		return []string{escaper.Replace(word), escaper.Replace(half)}
	case "reference":
		ref := get(v, "reference")
		typ, id, ok := cutReference(ref)
		if !ok {
			return nil
		}
		return []string{id, typ + "/" + id}
	}
	return []string{v.(string)}
}

// tokenSamples gives code and system|code of each coding.
func tokenSamples(v any) []string {
	codings := at(v, "coding")
	if len(codings) == 0 {
		codings = []any{v}
	}
	var out []string
	for _, c := range codings {
		system, value := escaper.Replace(get(c, "system")), escaper.Replace(get(c, "code")+get(c, "value"))
		if value == "" {
			continue
		}
		out = append(out, value)
		if system != "" {
			out = append(out, system+"|"+value)
		}
	}
	return out
}

// References gives what a resource refers to at a path, as it is written.
func References(r Object, p string) (refs []string) {
	for _, v := range path(p)(r) {
		refs = append(refs, get(v, "reference"))
	}
	return refs
}

// cutReference reads Type/id.
func cutReference(ref string) (typ, id string, ok bool) {
	typ, id, ok = strings.Cut(ref, "/")
	return typ, id, ok && !strings.ContainsAny(ref, ":#") && !strings.Contains(id, "/")
}
