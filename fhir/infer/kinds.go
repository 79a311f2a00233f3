package infer

// Words that fields are called by in the EHRs of several countries. Those of one line
// mean the same.
var (
	familyName = []string{"last", "lastname", "family", "familyname", "surname", "etternavn", "nachname", "nom", "apellido", "apellidos", "cognome", "achternaam"}
	givenName  = []string{"first", "firstname", "given", "givenname", "forename", "fornavn", "vorname", "prenom", "nombre", "nome", "voornaam"}
	middleName = []string{"middle", "middlename", "mellomnavn"}
	birth      = []string{"dob", "birth", "born", "birthdate", "birthday", "dateofbirth", "fodt", "geburtsdatum", "geboren", "geb", "nacimiento", "naissance"}
	sex        = []string{"sex", "gender", "kjonn", "geschlecht", "sexe", "sexo", "geslacht"}
	died       = []string{"died", "death", "deceased", "dod", "verstorben", "gestorben"}
	mobile     = []string{"mobile", "mobil", "cell", "cellphone", "handy", "mobiltelefon"}
	phone      = []string{"phone", "tel", "telephone", "telefon", "tlf", "telefono"}
	email      = []string{"email", "mail", "epost"}
	street     = []string{"street", "line", "line1", "l1", "addr1", "address1", "strasse", "str", "gate", "rue", "calle"}
	street2    = []string{"line2", "l2", "addr2", "address2"}
	city       = []string{"city", "town", "ort", "stadt", "by", "sted", "ville", "ciudad", "plaats"}
	postal     = []string{"zip", "zipcode", "postal", "postalcode", "postcode", "plz", "postnr", "cp"}
	country    = []string{"country", "cc", "land", "pays", "pais"}
	national   = []string{"ssn", "nin", "nhs", "fnr", "personnummer", "kvnr", "bsn", "nir", "cpr", "nationalid"}
	record     = []string{"mrn", "chartno", "recordno", "patientno", "patnr", "patientennummer"}
	state      = []string{"status", "state", "st", "zustand", "tilstand"}
	starts     = []string{"start", "begin", "from", "starttime", "beginn", "von"}
	ends       = []string{"end", "stop", "endtime", "ende", "bis", "until"}
	minutes    = []string{"mins", "minutes", "duration", "dauer", "varighet"}
	when       = []string{"at", "when", "date", "taken", "time", "datum", "dato", "measured", "recorded", "created", "made", "issued"}
	note       = []string{"note", "notes", "comment", "remark", "merknad", "bemerkung"}
	unit       = []string{"unit", "units", "einheit", "enhet"}
	text       = []string{"body", "text", "content", "message", "tekst", "nachricht"}
	subject    = []string{"subject", "subj", "topic", "title", "emne", "betreff"}
	sentAt     = []string{"sent", "sendt", "gesendet", "sentat"}
	readAt     = []string{"read", "readat", "received", "gelesen", "lest"}
	drugName   = []string{"drug", "drugname", "medication", "medicament", "legemiddel", "medikament", "arzneimittel", "drug name"}
	atc        = []string{"atc"}
	sig        = []string{"sig", "dosage", "dose", "dosering", "dosierung", "posology"}
	quantity   = []string{"qty", "quantity", "amount", "menge", "mengde"}
	refills    = []string{"refills", "repeats", "reit"}
	diagnosis  = []string{"diagnosis", "diagnose", "icd", "icd10", "icpc", "code", "problem"}
	allergen   = []string{"allergen", "allergy", "substance", "allergie", "allergi"}
	testCode   = []string{"test", "analyte", "loinc", "analysis", "code"}
	testName   = []string{"testname", "name", "analysename"}
	result     = []string{"value", "num", "result", "wert", "verdi", "resultat"}
	reason     = []string{"why", "reason", "grund", "arsak"}
	service    = []string{"type", "kind", "art", "service"}
	relation   = []string{"rel", "relation", "relationship", "kinship", "slektskap", "verwandtschaft"}
	license    = []string{"hpr", "npi", "gmc", "lanr", "license", "licence", "big"}
	title      = []string{"title", "prefix", "titel", "tittel"}
)

// kinds are the types that are looked for.
var kinds = []kind{
	{
		resource: "Patient", names: []string{"patient", "patienten", "pasient", "pasienter", "person", "client", "paciente"},
		hints: []hint{{birth, 3}, {familyName, 2}, {givenName, 1}, {sex, 2}, {national, 1}, {record, 1}},
		elements: []element{
			identifiers(national, record), personName(familyName, givenName, middleName), telecom(mobile, phone, email),
			coded("gender", sex, "http://hl7.org/fhir/administrative-gender", genders), date("birthDate", birth), dateTime("deceasedDateTime", died),
			address(), refList("generalPractitioner", "Practitioner"),
		},
	},
	{
		resource: "Practitioner", names: []string{"staff", "doctor", "practitioner", "provider", "clinician", "employee", "arzt", "aerzte", "lege", "ansatt", "behandler", "medecin"},
		hints:    []hint{{familyName, 2}, {givenName, 1}, {license, 2}, {title, 1}},
		elements: []element{identifiers(license, nil), practitionerName(familyName, givenName, title), telecom(mobile, phone, email)},
	},
	{
		resource: "RelatedPerson", names: []string{"relative", "contact", "guardian", "kin", "family", "parorende", "angehoerige"},
		hints:    []hint{{familyName, 2}, {givenName, 1}, {relation, 2}},
		elements: []element{subjectRef("patient"), listText("relationship", relation), personName(familyName, givenName, middleName), telecom(mobile, phone, email)},
	},
	{
		resource: "Appointment", names: []string{"appointment", "booking", "termin", "termine", "time", "timebok", "rendezvous", "cita"},
		hints: []hint{{starts, 3}, {ends, 1}, {minutes, 2}, {state, 1}, {reason, 1}},
		elements: []element{
			coded("status", state, "http://hl7.org/fhir/appointmentstatus", appointmentStates), listText("serviceType", service), listText("reasonCode", reason),
			instant("start", starts), endOf(ends, starts, minutes), plain("comment", note), participants(),
		},
	},
	{
		resource: "MedicationRequest", names: []string{"prescription", "medication", "rx", "rezept", "rezepte", "resept", "resepter", "verordnung", "ordonnance", "receta"},
		hints: []hint{{drugName, 3}, {atc, 1}, {sig, 2}, {quantity, 1}, {refills, 1}},
		elements: []element{
			coded("status", state, "http://hl7.org/fhir/CodeSystem/medicationrequest-status", prescriptionStates), constant("intent", "order"), medication(),
			subjectRef("subject"), dateTime("authoredOn", when), listText("dosageInstruction", sig), listText("note", note), dispense(),
		},
	},
	{
		resource: "Communication", names: []string{"message", "messages", "mail", "communication", "melding", "meldinger", "nachricht", "nachrichten"},
		hints: []hint{{text, 3}, {sentAt, 2}, {subject, 1}, {readAt, 1}},
		elements: []element{
			constant("status", "completed"), subjectRef("subject"), textOf("topic", subject), dateTime("sent", sentAt), dateTime("received", readAt), payload(),
		},
	},
	{
		resource: "Observation", names: []string{"observation", "vital", "vitals", "lab", "labs", "result", "measurement", "messwerte", "labor", "laborwerte", "prove", "provesvar"},
		hints: []hint{{testCode, 2}, {result, 3}, {unit, 2}, {testName, 1}},
		elements: []element{
			constant("status", "final"), conceptOf("code", testCode, testName, "http://loinc.org"), subjectRef("subject"), dateTime("effectiveDateTime", when), quantityOf(), listText("note", note),
		},
	},
	{
		resource: "Condition", names: []string{"diagnosis", "diagnoses", "problem", "problems", "condition", "diagnose", "diagnosen", "probleme", "problemer"},
		hints:    []hint{{diagnosis, 3}, {when, 1}},
		elements: []element{conceptOf("code", diagnosis, nil, "http://hl7.org/fhir/sid/icd-10"), subjectRef("subject"), dateTime("recordedDate", when), listText("note", note)},
	},
	{
		resource: "AllergyIntolerance", names: []string{"allergy", "allergies", "allergie", "allergien", "allergi", "allergier", "cave"},
		hints:    []hint{{allergen, 3}, {when, 1}},
		elements: []element{textOf("code", allergen), subjectRef("patient"), dateTime("recordedDate", when), listText("note", note)},
	},
	{
		resource: "Location", names: []string{"location", "room", "ward", "raum", "rom", "sted", "salle"},
		hints:    []hint{{[]string{"name", "navn", "bezeichnung"}, 2}, {street, 1}},
		elements: []element{plain("name", []string{"name", "navn", "bezeichnung"}), telecom(mobile, phone, email)},
	},
}

// genders, and the states below, are what codes of an EHR commonly stand for, in
// lower case.
var genders = map[string]string{
	"m": "male", "male": "male", "mann": "male", "h": "male", "1": "male", "maennlich": "male",
	"f": "female", "female": "female", "k": "female", "w": "female", "kvinne": "female", "v": "female", "2": "female", "weiblich": "female",
	"o": "other", "x": "other", "d": "other", "divers": "other", "other": "other", "u": "unknown", "unknown": "unknown", "0": "unknown",
}

var appointmentStates = map[string]string{
	"req": "proposed", "requested": "proposed", "proposed": "proposed", "angefragt": "proposed", "hold": "pending", "pending": "pending",
	"conf": "booked", "confirmed": "booked", "booked": "booked", "bestaetigt": "booked", "gebucht": "booked", "bestilt": "booked",
	"arr": "arrived", "arrived": "arrived", "angekommen": "arrived", "done": "fulfilled", "fulfilled": "fulfilled", "completed": "fulfilled", "erledigt": "fulfilled", "utfort": "fulfilled",
	"canx": "cancelled", "cancelled": "cancelled", "canceled": "cancelled", "abgesagt": "cancelled", "avlyst": "cancelled",
	"nosh": "noshow", "noshow": "noshow", "dna": "noshow",
}

var prescriptionStates = map[string]string{
	"d": "draft", "draft": "draft", "a": "active", "active": "active", "aktiv": "active", "h": "on-hold", "hold": "on-hold",
	"s": "stopped", "stopped": "stopped", "seponert": "stopped", "abgesetzt": "stopped", "c": "completed", "completed": "completed", "x": "entered-in-error", "cancelled": "cancelled",
}
