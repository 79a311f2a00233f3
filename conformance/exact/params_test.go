package exact_test

import (
	"strings"
	"time"
)

// attribute is a search parameter, by hand.
type attribute struct {
	name, kind string // the kind is the parameter's type, or composite, canonical
	only       string // the type that a reference by a bare id has
	targets    []string
	values     func(r object) []any
	// parts of a composite, on each of values
	parts []attribute
}

// path gives what stands at any of some paths.
func path(paths ...string) func(object) []any {
	return func(r object) []any {
		var out []any
		for _, p := range paths {
			out = append(out, at(r, strings.Split(p, ".")...)...)
		}
		return out
	}
}

// parts gives the members of complex strings.
func parts(p string, members ...string) func(object) []any {
	return func(r object) []any {
		var out []any
		for _, e := range path(p)(r) {
			for _, m := range members {
				out = append(out, at(e, m)...)
			}
		}
		return out
	}
}

// code makes a token of a code, a boolean or an id.
func code(p, system string) func(object) []any {
	return func(r object) []any {
		var out []any
		for _, v := range path(p)(r) {
			switch v := v.(type) {
			case string:
				out = append(out, object{"system": system, "code": v})
			case bool:
				out = append(out, object{"code": map[bool]string{true: "true", false: "false"}[v]})
			}
		}
		return out
	}
}

// contact is a ContactPoint as a token: its system is no namespace.
func contact(system string) func(object) []any {
	return func(r object) []any {
		var out []any
		for _, v := range path("telecom")(r) {
			if system == "" || get(v, "system") == system {
				out = append(out, object{"code": get(v, "value")})
			}
		}
		return out
	}
}

// to keeps references to a type: by what stands in them, which is all that an
// index can know.
func to(typ string, p ...string) func(object) []any {
	return func(r object) []any {
		var out []any
		for _, v := range path(p...)(r) {
			ref := strings.TrimPrefix(strings.TrimPrefix(get(v, "reference"), base+"/"), "http://elsewhere.example.org/")
			if strings.HasPrefix(ref, typ+"/") {
				out = append(out, v)
			}
		}
		return out
	}
}

var (
	nameParts    = []string{"text", "family", "given", "prefix", "suffix"}
	addressParts = []string{"text", "line", "city", "district", "state", "postalCode", "country"}
	people       = []string{"Patient", "Practitioner", "Organization"}
)

// attributes are the parameters that the random searches use.
func attributes() map[string][]attribute {
	patient := attribute{name: "patient", kind: "reference", only: "Patient", values: to("Patient", "subject")}
	subject := attribute{name: "subject", kind: "reference", targets: []string{"Patient", "Group"}, values: path("subject")}
	identifier := attribute{name: "identifier", kind: "token", values: path("identifier")}
	codeCode := attribute{name: "code", kind: "token", values: path("code")}
	category := attribute{name: "category", kind: "token", values: path("category")}
	encounter := attribute{name: "encounter", kind: "reference", only: "Encounter", values: path("encounter")}
	active := attribute{name: "active", kind: "token", values: code("active", "")}
	telecom := attribute{name: "telecom", kind: "token", values: contact("")}
	status := func(system string) attribute {
		return attribute{name: "status", kind: "token", values: code("status", system)}
	}
	quantity := attribute{kind: "quantity", values: path("valueQuantity")}
	return map[string][]attribute{
		"Patient": {
			identifier, active, telecom,
			{name: "name", kind: "string", values: parts("name", nameParts...)},
			{name: "family", kind: "string", values: path("name.family")},
			{name: "given", kind: "string", values: path("name.given")},
			{name: "address", kind: "string", values: parts("address", addressParts...)},
			{name: "address-city", kind: "string", values: path("address.city")},
			{name: "gender", kind: "token", values: code("gender", "http://hl7.org/fhir/administrative-gender")},
			{name: "phone", kind: "token", values: contact("phone")},
			{name: "email", kind: "token", values: contact("email")},
			{name: "birthdate", kind: "date", values: path("birthDate")},
			{name: "death-date", kind: "date", values: path("deceasedDateTime")},
			{name: "language", kind: "token", values: path("communication.language")},
			{name: "organization", kind: "reference", only: "Organization", values: path("managingOrganization")},
			{name: "general-practitioner", kind: "reference", targets: []string{"Practitioner", "Organization"}, values: path("generalPractitioner")},
		},
		"Observation": {
			identifier, codeCode, category, patient, subject, encounter, status("http://hl7.org/fhir/observation-status"),
			{name: "date", kind: "date", values: path("effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant")},
			{name: "value-quantity", kind: "quantity", values: path("valueQuantity")},
			{name: "combo-value-quantity", kind: "quantity", values: path("valueQuantity", "component.valueQuantity")},
			{name: "value-concept", kind: "token", values: path("valueCodeableConcept")},
			{name: "value-string", kind: "string", values: path("valueString", "valueCodeableConcept.text")},
			{name: "combo-code", kind: "token", values: path("code", "component.code")},
			{name: "component-code", kind: "token", values: path("component.code")},
			{name: "performer", kind: "reference", targets: people, values: path("performer")},
			{name: "code-value-quantity", kind: "composite", values: func(r object) []any { return []any{r} }, parts: []attribute{codeCode, quantity}},
			{name: "component-code-value-quantity", kind: "composite", values: path("component"), parts: []attribute{codeCode, quantity}},
		},
		"Encounter": {
			identifier, patient, subject, status("http://hl7.org/fhir/encounter-status"),
			{name: "class", kind: "token", values: path("class")},
			{name: "type", kind: "token", values: path("type")},
			{name: "date", kind: "date", values: path("period")},
			{name: "length", kind: "quantity", values: path("length")},
			{name: "participant", kind: "reference", targets: []string{"Practitioner", "PractitionerRole"}, values: path("participant.individual")},
			{name: "location", kind: "reference", only: "Location", values: path("location.location")},
		},
		"Condition": {
			identifier, codeCode, category, patient, subject, encounter,
			{name: "clinical-status", kind: "token", values: path("clinicalStatus")},
			{name: "onset-date", kind: "date", values: path("onsetDateTime", "onsetPeriod")},
			{name: "onset-age", kind: "quantity", values: path("onsetAge")},
			{name: "onset-info", kind: "string", values: path("onsetString")},
			{name: "recorded-date", kind: "date", values: path("recordedDate")},
		},
		"MedicationRequest": {
			identifier, patient, subject, encounter, category, status("http://hl7.org/fhir/CodeSystem/medicationrequest-status"),
			{name: "intent", kind: "token", values: code("intent", "http://hl7.org/fhir/CodeSystem/medicationrequest-intent")},
			{name: "code", kind: "token", values: path("medicationCodeableConcept")},
			{name: "medication", kind: "reference", only: "Medication", values: path("medicationReference")},
			{name: "authoredon", kind: "date", values: path("authoredOn")},
			{name: "date", kind: "date", values: path("dosageInstruction.timing.event")},
		},
		"Appointment": {
			identifier, status("http://hl7.org/fhir/appointmentstatus"),
			{name: "actor", kind: "reference", targets: []string{"Patient", "Practitioner", "Location"}, values: path("participant.actor")},
			{name: "patient", kind: "reference", only: "Patient", values: to("Patient", "participant.actor")},
			{name: "practitioner", kind: "reference", only: "Practitioner", values: to("Practitioner", "participant.actor")},
			{name: "location", kind: "reference", only: "Location", values: to("Location", "participant.actor")},
			{name: "part-status", kind: "token", values: code("participant.status", "http://hl7.org/fhir/participationstatus")},
			{name: "date", kind: "date", values: path("start")},
		},
		"Communication": {
			identifier, category, patient, subject, encounter, status("http://hl7.org/fhir/event-status"),
			{name: "sent", kind: "date", values: path("sent")},
			{name: "received", kind: "date", values: path("received")},
			{name: "sender", kind: "reference", targets: people, values: path("sender")},
			{name: "recipient", kind: "reference", targets: people, values: path("recipient")},
			{name: "instantiates-canonical", kind: "canonical", values: path("instantiatesCanonical")},
			{name: "instantiates-uri", kind: "uri", values: path("instantiatesUri")},
		},
		"Practitioner": {
			identifier, active, telecom,
			{name: "name", kind: "string", values: parts("name", nameParts...)},
			{name: "family", kind: "string", values: path("name.family")},
			{name: "gender", kind: "token", values: code("gender", "http://hl7.org/fhir/administrative-gender")},
		},
		"Organization": {
			identifier, active,
			{name: "name", kind: "string", values: path("name", "alias")},
			{name: "type", kind: "token", values: path("type")},
			{name: "address", kind: "string", values: parts("address", addressParts...)},
			{name: "partof", kind: "reference", only: "Organization", values: path("partOf")},
		},
		"Location": {
			identifier, status("http://hl7.org/fhir/location-status"),
			{name: "name", kind: "string", values: path("name", "alias")},
			{name: "type", kind: "token", values: path("type")},
			{name: "address-city", kind: "string", values: path("address.city")},
			{name: "organization", kind: "reference", only: "Organization", values: path("managingOrganization")},
		},
	}
}

// satisfies decides one value.
func (a attribute) satisfies(v any, modifier, want string, zone *time.Location) bool {
	switch a.kind {
	case "string":
		return matchString(v.(string), modifier, want)
	case "token":
		return matchToken(v, modifier, want)
	case "reference":
		return matchReference(v, modifier, want, a.only)
	case "canonical":
		return matchCanonical(v.(string), unescaper.Replace(want))
	case "uri":
		return matchURI(v.(string), modifier, unescaper.Replace(want))
	case "date":
		return matchDate(v, want, zone)
	case "quantity":
		return matchQuantity(v, want)
	}
	wants := cut(want, '$')
	for i, part := range a.parts {
		found := false
		for _, pv := range part.values(v.(object)) {
			found = found || part.satisfies(pv, "", wants[i], zone)
		}
		if !found {
			return false
		}
	}
	return true
}

// matchURI is R4 3.1.1.4.14; the tests use URLs whose segments are short.
func matchURI(have, modifier, want string) bool {
	h, w := strings.Split(strings.TrimSuffix(have, "/"), "/"), strings.Split(strings.TrimSuffix(want, "/"), "/")
	starts := func(long, short []string) bool {
		return len(long) >= len(short) && strings.Join(long[:len(short)], "/") == strings.Join(short, "/")
	}
	switch modifier {
	case "below":
		return starts(h, w)
	case "above":
		return starts(w, h)
	}
	return have == want
}

// holds decides one parameter of a request on a resource.
func (a attribute) holds(r object, modifier, value string, zone *time.Location) bool {
	values := a.values(r)
	switch modifier {
	case "missing":
		return (len(values) == 0) == (value == "true")
	case "not":
		return !a.holds(r, "", value, zone)
	}
	for _, want := range cut(value, ',') {
		for _, v := range values {
			if a.satisfies(v, modifier, want, zone) {
				return true
			}
		}
	}
	return false
}
