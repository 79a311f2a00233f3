package exact

import (
	"slices"
	"strings"
)

// Attribute is a search parameter, by hand.
type Attribute struct {
	Name, Kind string // the kind is the parameter's type, or canonical
	Only       string // the type that a reference by a bare id has, "" for any of Targets
	Targets    []string
	Values     func(Object) []any // what a resource has of it
	Parts      []Attribute        // of a composite, on each of Values
}

// path gives what stands at any of some paths.
func path(paths ...string) func(Object) []any {
	return func(r Object) []any {
		var out []any
		for _, p := range paths {
			out = append(out, at(r, strings.Split(p, ".")...)...)
		}
		return out
	}
}

// parts gives the members of complex strings.
func parts(p string, members ...string) func(Object) []any {
	return func(r Object) []any {
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
func code(p, system string) func(Object) []any {
	return func(r Object) []any {
		var out []any
		for _, v := range path(p)(r) {
			switch v := v.(type) {
			case string:
				out = append(out, Object{"system": system, "code": v})
			case bool:
				out = append(out, Object{"code": map[bool]string{true: "true", false: "false"}[v]})
			}
		}
		return out
	}
}

// contact is a ContactPoint as a token: its system is no namespace.
func contact(system string) func(Object) []any {
	return func(r Object) []any {
		var out []any
		for _, v := range path("telecom")(r) {
			if system == "" || get(v, "system") == system {
				out = append(out, Object{"code": get(v, "value")})
			}
		}
		return out
	}
}

// to keeps references to a type: by what stands in them, which is all that an
// index can know.
func to(typ string, p ...string) func(Object) []any {
	return func(r Object) []any {
		var out []any
		for _, v := range path(p...)(r) {
			ref := strings.TrimPrefix(get(v, "reference"), "http://elsewhere.example.org/")
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

// extension gives what an extension holds.
func extension(url string, values ...string) func(Object) []any {
	return func(r Object) []any {
		var out []any
		for _, e := range at(r, "extension") {
			if get(e, "url") != url {
				continue
			}
			for _, name := range values {
				for _, v := range at(e, name) {
					if code, ok := v.(string); ok && name == "valueCode" {
						v = Object{"code": code}
					}
					out = append(out, v)
				}
			}
		}
		return out
	}
}

// OwnAttributes are those of parameters that SearchParameter resources define.
func OwnAttributes() map[string][]Attribute {
	mood := Attribute{Name: "mood", Kind: "token", Values: extension("urn:mood", "valueCode", "valueCoding")}
	dose := []Attribute{
		{Kind: "token", Values: extension("of", "valueCoding")}, {Kind: "quantity", Values: extension("much", "valueQuantity")}, {Kind: "date", Values: extension("when", "valueDateTime")},
	}
	doses := func(r Object) []any {
		return slices.DeleteFunc(at(r, "extension"), func(e any) bool { return get(e, "url") != "urn:dose" })
	}
	return map[string][]Attribute{
		"Patient": {mood, {Name: "friend", Kind: "reference", Only: "Patient", Values: extension("urn:friend", "valueReference")}},
		"Observation": {
			mood,
			{Name: "remark", Kind: "string", Values: path("note.text")},
			{Name: "noted", Kind: "date", Values: path("note.time")},
			{Name: "weight", Kind: "quantity", Values: extension("urn:weight", "valueQuantity")},
			{Name: "dose", Kind: "composite", Values: doses, Parts: dose},
		},
	}
}

// Attributes are the parameters that the random searches use.
func Attributes() map[string][]Attribute {
	patient := Attribute{Name: "patient", Kind: "reference", Only: "Patient", Values: to("Patient", "subject")}
	subject := Attribute{Name: "subject", Kind: "reference", Targets: []string{"Patient", "Group"}, Values: path("subject")}
	identifier := Attribute{Name: "identifier", Kind: "token", Values: path("identifier")}
	codeCode := Attribute{Name: "code", Kind: "token", Values: path("code")}
	category := Attribute{Name: "category", Kind: "token", Values: path("category")}
	encounter := Attribute{Name: "encounter", Kind: "reference", Only: "Encounter", Values: path("encounter")}
	active := Attribute{Name: "active", Kind: "token", Values: code("active", "")}
	telecom := Attribute{Name: "telecom", Kind: "token", Values: contact("")}
	status := func(system string) Attribute {
		return Attribute{Name: "status", Kind: "token", Values: code("status", system)}
	}
	quantity := Attribute{Kind: "quantity", Values: path("valueQuantity")}
	return map[string][]Attribute{
		"Patient": {
			identifier, active, telecom,
			{Name: "name", Kind: "string", Values: parts("name", nameParts...)},
			{Name: "family", Kind: "string", Values: path("name.family")},
			{Name: "given", Kind: "string", Values: path("name.given")},
			{Name: "address", Kind: "string", Values: parts("address", addressParts...)},
			{Name: "address-city", Kind: "string", Values: path("address.city")},
			{Name: "gender", Kind: "token", Values: code("gender", "http://hl7.org/fhir/administrative-gender")},
			{Name: "phone", Kind: "token", Values: contact("phone")},
			{Name: "email", Kind: "token", Values: contact("email")},
			{Name: "birthdate", Kind: "date", Values: path("birthDate")},
			{Name: "death-date", Kind: "date", Values: path("deceasedDateTime")},
			{Name: "language", Kind: "token", Values: path("communication.language")},
			{Name: "organization", Kind: "reference", Only: "Organization", Values: path("managingOrganization")},
			{Name: "general-practitioner", Kind: "reference", Targets: []string{"Practitioner", "Organization"}, Values: path("generalPractitioner")},
		},
		"Observation": {
			identifier, codeCode, category, patient, subject, encounter, status("http://hl7.org/fhir/observation-status"),
			{Name: "date", Kind: "date", Values: path("effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant")},
			{Name: "value-quantity", Kind: "quantity", Values: path("valueQuantity")},
			{Name: "combo-value-quantity", Kind: "quantity", Values: path("valueQuantity", "component.valueQuantity")},
			{Name: "value-concept", Kind: "token", Values: path("valueCodeableConcept")},
			{Name: "value-string", Kind: "string", Values: path("valueString", "valueCodeableConcept.text")},
			{Name: "combo-code", Kind: "token", Values: path("code", "component.code")},
			{Name: "component-code", Kind: "token", Values: path("component.code")},
			{Name: "performer", Kind: "reference", Targets: people, Values: path("performer")},
			{Name: "code-value-quantity", Kind: "composite", Values: func(r Object) []any { return []any{r} }, Parts: []Attribute{codeCode, quantity}},
			{Name: "component-code-value-quantity", Kind: "composite", Values: path("component"), Parts: []Attribute{codeCode, quantity}},
		},
		"Encounter": {
			identifier, patient, subject, status("http://hl7.org/fhir/encounter-status"),
			{Name: "class", Kind: "token", Values: path("class")},
			{Name: "type", Kind: "token", Values: path("type")},
			{Name: "date", Kind: "date", Values: path("period")},
			{Name: "length", Kind: "quantity", Values: path("length")},
			{Name: "participant", Kind: "reference", Targets: []string{"Practitioner", "PractitionerRole"}, Values: path("participant.individual")},
			{Name: "location", Kind: "reference", Only: "Location", Values: path("location.location")},
		},
		"Condition": {
			identifier, codeCode, category, patient, subject, encounter,
			{Name: "clinical-status", Kind: "token", Values: path("clinicalStatus")},
			{Name: "onset-date", Kind: "date", Values: path("onsetDateTime", "onsetPeriod")},
			{Name: "onset-age", Kind: "quantity", Values: path("onsetAge")},
			{Name: "onset-info", Kind: "string", Values: path("onsetString")},
			{Name: "recorded-date", Kind: "date", Values: path("recordedDate")},
		},
		"MedicationRequest": {
			identifier, patient, subject, encounter, category, status("http://hl7.org/fhir/CodeSystem/medicationrequest-status"),
			{Name: "intent", Kind: "token", Values: code("intent", "http://hl7.org/fhir/CodeSystem/medicationrequest-intent")},
			{Name: "code", Kind: "token", Values: path("medicationCodeableConcept")},
			{Name: "medication", Kind: "reference", Only: "Medication", Values: path("medicationReference")},
			{Name: "authoredon", Kind: "date", Values: path("authoredOn")},
			{Name: "date", Kind: "date", Values: path("dosageInstruction.timing.event")},
		},
		"Appointment": {
			identifier, status("http://hl7.org/fhir/appointmentstatus"),
			{Name: "actor", Kind: "reference", Targets: []string{"Patient", "Practitioner", "Location"}, Values: path("participant.actor")},
			{Name: "patient", Kind: "reference", Only: "Patient", Values: to("Patient", "participant.actor")},
			{Name: "practitioner", Kind: "reference", Only: "Practitioner", Values: to("Practitioner", "participant.actor")},
			{Name: "location", Kind: "reference", Only: "Location", Values: to("Location", "participant.actor")},
			{Name: "part-status", Kind: "token", Values: code("participant.status", "http://hl7.org/fhir/participationstatus")},
			{Name: "date", Kind: "date", Values: path("start")},
		},
		"Communication": {
			identifier, category, patient, subject, encounter, status("http://hl7.org/fhir/event-status"),
			{Name: "sent", Kind: "date", Values: path("sent")},
			{Name: "received", Kind: "date", Values: path("received")},
			{Name: "sender", Kind: "reference", Targets: people, Values: path("sender")},
			{Name: "recipient", Kind: "reference", Targets: people, Values: path("recipient")},
			{Name: "instantiates-canonical", Kind: "canonical", Values: path("instantiatesCanonical")},
			{Name: "instantiates-uri", Kind: "uri", Values: path("instantiatesUri")},
		},
		"Practitioner": {
			identifier, active, telecom,
			{Name: "name", Kind: "string", Values: parts("name", nameParts...)},
			{Name: "family", Kind: "string", Values: path("name.family")},
			{Name: "gender", Kind: "token", Values: code("gender", "http://hl7.org/fhir/administrative-gender")},
		},
		"Organization": {
			identifier, active,
			{Name: "name", Kind: "string", Values: path("name", "alias")},
			{Name: "type", Kind: "token", Values: path("type")},
			{Name: "address", Kind: "string", Values: parts("address", addressParts...)},
			{Name: "partof", Kind: "reference", Only: "Organization", Values: path("partOf")},
		},
		"Location": {
			identifier, status("http://hl7.org/fhir/location-status"),
			{Name: "name", Kind: "string", Values: path("name", "alias")},
			{Name: "type", Kind: "token", Values: path("type")},
			{Name: "address-city", Kind: "string", Values: path("address.city")},
			{Name: "organization", Kind: "reference", Only: "Organization", Values: path("managingOrganization")},
			{Name: "near", Kind: "near", Values: path("position")},
		},
	}
}

// satisfies decides one value.
func (a Attribute) satisfies(v any, modifier, want string, c Clock) bool {
	switch a.Kind {
	case "string":
		return matchString(v.(string), modifier, want)
	case "token":
		return matchToken(v, modifier, want)
	case "reference":
		return matchReference(v, modifier, want, a.Only)
	case "canonical":
		return matchCanonical(v.(string), unescaper.Replace(want))
	case "uri":
		return matchURI(v.(string), modifier, unescaper.Replace(want))
	case "date":
		return c.matchDate(v, want)
	case "quantity":
		return matchQuantity(v, want)
	case "near":
		return near(v, want)
	}
	wants := cut(want, '$')
	for i, part := range a.Parts {
		found := false
		for _, pv := range part.Values(v.(Object)) {
			found = found || part.satisfies(pv, "", wants[i], c)
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

// Holds decides one parameter of a request on a resource.
func (a Attribute) Holds(r Object, modifier, value string, c Clock) bool {
	values := a.Values(r)
	if a.Kind == "composite" { // what lacks a part has no value
		values = slices.DeleteFunc(slices.Clone(values), func(v any) bool {
			return slices.ContainsFunc(a.Parts, func(p Attribute) bool { return len(p.Values(v.(Object))) == 0 })
		})
	}
	switch modifier {
	case "missing":
		return (len(values) == 0) == (value == "true")
	case "not":
		return !a.Holds(r, "", value, c)
	case "not-in":
		return !a.Holds(r, "in", value, c)
	}
	if a.Kind == "words" {
		return slices.ContainsFunc(cut(value, ','), func(want string) bool { return says(values, want) })
	}
	for _, want := range cut(value, ',') {
		for _, v := range values {
			if a.satisfies(v, modifier, want, c) {
				return true
			}
		}
	}
	return false
}
