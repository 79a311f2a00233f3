package bench

import "fmt"

// recordType is a type that the demo clinic does not have itself, so that
// Portico keeps it.
const recordType = "Condition"

// condition is a Condition of about 1.5 kB, another one for each i.
func condition(i int) []byte {
	return fmt.Appendf(nil, `{
  "resourceType": "Condition",
  "text": {
    "status": "generated",
    "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Essential hypertension, active, since 2019</p></div>"
  },
  "identifier": [{"system": "https://bench.example/conditions", "value": "%08d"}],
  "clinicalStatus": {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active", "display": "Active"}]
  },
  "verificationStatus": {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed", "display": "Confirmed"}]
  },
  "category": [{
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item", "display": "Problem List Item"}]
  }],
  "severity": {
    "coding": [{"system": "http://snomed.info/sct", "code": "6736007", "display": "Moderate"}]
  },
  "code": {
    "coding": [{"system": "http://snomed.info/sct", "code": "59621000", "display": "Essential hypertension (disorder)"}],
    "text": "Essential hypertension"
  },
  "subject": {"reference": "Patient/bench-%d", "display": "A patient of the bench"},
  "onsetDateTime": "2019-05-17",
  "recordedDate": "2019-05-17T09:14:32+02:00",
  "note": [{"text": "Blood pressure at home between 135/85 and 150/95. Advised on salt, exercise and weight; started on a low dose. Asked to keep a diary of readings, morning and evening, for two weeks before the next visit."}]
}`, i, i%1000)
}

// observation is a blood pressure of about 2.5 kB on one line, as loads bring them in.
func observation(i int) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Observation","id":"bench-%d","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns","http://hl7.org/fhir/StructureDefinition/bp"]},`+
		`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Blood pressure panel: systolic %d mm[Hg], diastolic %d mm[Hg]</p></div>"},`+
		`"identifier":[{"use":"official","system":"https://bench.example/observations","value":"%08d"}],"status":"final",`+
		`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}],"text":"Vital Signs"}],`+
		`"code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel with all children optional"}],"text":"Blood pressure systolic and diastolic"},`+
		`"subject":{"reference":"Patient/bench-%d","display":"A patient of the bench"},"encounter":{"reference":"Encounter/bench-%d"},`+
		`"effectiveDateTime":"2024-%02d-%02dT08:%02d:00+02:00","issued":"2024-%02d-%02dT08:%02d:12.480+02:00","performer":[{"reference":"Practitioner/bench-%d","display":"A nurse of the bench"}],`+
		`"interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N","display":"Normal"}],"text":"Normal"}],`+
		`"bodySite":{"coding":[{"system":"http://snomed.info/sct","code":"368209003","display":"Right arm"}]},`+
		`"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6","display":"Systolic blood pressure"}],"text":"Systolic blood pressure"},`+
		`"valueQuantity":{"value":%d.0,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"},"referenceRange":[{"low":{"value":90,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"},"high":{"value":140,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]},`+
		`{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4","display":"Diastolic blood pressure"}],"text":"Diastolic blood pressure"},`+
		`"valueQuantity":{"value":%d.5,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"},"referenceRange":[{"low":{"value":50,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"},"high":{"value":90,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}],`+
		`"method":{"coding":[{"system":"http://snomed.info/sct","code":"37931006","display":"Auscultation (procedure)"}]},"note":[{"text":"Seated, after five minutes of rest, with a cuff of the regular size."}]}`,
		i, 100+i%60, 60+i%40, i, i%1000, i/7, 1+i%12, 1+i%28, i%60, 1+i%12, 1+i%28, i%60, i%50, 100+i%60, 60+i%40)
}
