package records

import "time"

// context appends whose it is, and of which visit.
func (g *Generator) context(c *chart, v *visit) {
	g.add(`,"subject":`)
	g.named("Patient", c.entity)
	g.add(`,"encounter":`)
	g.ref("Encounter", v.id)
}

func (g *Generator) conditionsOf(c *chart, v *visit) error {
	for range g.rare(4) {
		what := pick(&g.writer, g.conditions)
		id, status := g.id(), "active"
		if g.chance(60) {
			status = "resolved"
		}
		g.begin("Condition", id)
		if g.chance(50) {
			g.narrative(what.display, pick(&g.writer, g.sentences)+" "+pick(&g.writer, g.sentences))
		}
		g.add(`,"clinicalStatus":`)
		g.code(terminology+"condition-clinical", status)
		g.add(`,"verificationStatus":`)
		g.code(terminology+"condition-ver-status", "confirmed")
		g.add(`,"category":[`)
		g.concept(terminology+"condition-category", coded{"encounter-diagnosis", "Encounter Diagnosis"})
		g.add(`],"code":`)
		g.concept(snomed, what)
		g.context(c, v)
		g.add(`,"onsetDateTime":"`, v.from, `"`)
		if status == "resolved" {
			g.add(`,"abatementDateTime":"`, stamp(v.start.AddDate(0, 0, 7+g.rnd.IntN(30))), `"`)
		}
		g.add(`,"recordedDate":"`, v.from, `"`)
		if err := g.emit(); err != nil {
			return err
		}
		v.conditions = append(v.conditions, entity{id, what.display})
	}
	return nil
}

// observation begins an Observation up to its value.
func (g *Generator) observation(c *chart, v *visit, id string, what coded, category coded) {
	g.begin("Observation", id)
	if g.chance(50) {
		g.narrative(what.display, c.name+", "+v.from+": "+pick(&g.writer, g.sentences)+" "+pick(&g.writer, g.sentences))
	}
	g.add(`,"status":"final","category":[`)
	g.concept(terminology+"observation-category", category)
	g.add(`],"code":`)
	g.concept(loinc, what)
	g.context(c, v)
	g.add(`,"effectiveDateTime":"`, v.from, `","issued":"`, v.from[:19], `.`, g.digits(3), `Z"`)
	if g.chance(50) {
		g.add(`,"performer":[`)
		g.named("Practitioner", v.by.entity)
		g.add(`]`)
	}
}

func (g *Generator) quantity(value float64, places int, unit string) {
	g.add(`{"value":`)
	g.fixed(value, places)
	g.add(`,"unit":"`, unit, `","system":"`, ucum, `","code":"`, unit, `"}`)
}

// measured writes an Observation with a number, mostly within its range.
func (g *Generator) measured(c *chart, v *visit, q quantityCode) (id string, err error) {
	id = g.id()
	value := q.low + (q.high-q.low)*(g.rnd.NormFloat64()/4+0.5)
	value = max(value, 0)
	g.observation(c, v, id, q.coded, coded{q.category, q.categoryName})
	g.add(`,"valueQuantity":`)
	g.quantity(value, q.places, q.unit)
	if q.category == "laboratory" {
		flag := coded{"N", "Normal"}
		switch {
		case value < q.low:
			flag = coded{"L", "Low"}
		case value > q.high:
			flag = coded{"H", "High"}
		}
		g.add(`,"interpretation":[`)
		g.concept(terminology+"v3-ObservationInterpretation", flag)
		g.add(`],"referenceRange":[{"low":`)
		g.quantity(q.low, q.places, q.unit)
		g.add(`,"high":`)
		g.quantity(q.high, q.places, q.unit)
		g.add(`}]`)
	}
	return id, g.emit()
}

// vitalsOf writes what is measured at most visits.
func (g *Generator) vitalsOf(c *chart, v *visit) error {
	if g.chance(20) {
		return nil
	}
	for range 2 + g.rnd.IntN(3) {
		if _, err := g.measured(c, v, g.vitals[g.rnd.IntN(len(g.vitals))]); err != nil {
			return err
		}
	}
	if err := g.bloodPressure(c, v); err != nil {
		return err
	}
	if !g.chance(40) {
		return nil
	}
	g.observation(c, v, g.id(), pick(&g.writer, g.surveys), coded{"survey", "Survey"})
	g.add(`,"valueInteger":`)
	g.int(g.rnd.IntN(11))
	return g.emit()
}

func (g *Generator) bloodPressure(c *chart, v *visit) error {
	g.observation(c, v, g.id(), coded{"85354-9", "Blood pressure panel with all children optional"}, coded{"vital-signs", "Vital Signs"})
	g.add(`,"component":[{"code":`)
	g.concept(loinc, coded{"8462-4", "Diastolic Blood Pressure"})
	g.add(`,"valueQuantity":`)
	g.quantity(80+10*g.rnd.NormFloat64(), 0, "mm[Hg]")
	g.add(`},{"code":`)
	g.concept(loinc, coded{"8480-6", "Systolic Blood Pressure"})
	g.add(`,"valueQuantity":`)
	g.quantity(125+15*g.rnd.NormFloat64(), 0, "mm[Hg]")
	g.add(`}]`)
	return g.emit()
}

// panelsOf writes laboratory results and the report that lists them.
func (g *Generator) panelsOf(c *chart, v *visit) error {
	for range g.rare(4) {
		p := pick(&g.writer, g.panels)
		ids := make([]string, len(p.results))
		for i, q := range p.results {
			var err error
			if ids[i], err = g.measured(c, v, q); err != nil {
				return err
			}
		}
		g.report(c, v, coded{"LAB", "Laboratory"}, p.coded)
		g.add(`,"result":[`)
		for i, id := range ids {
			if i > 0 {
				g.add(`,`)
			}
			g.add(`{"reference":"Observation/`, id, `","display":"`, p.results[i].display, `"}`)
		}
		g.add(`]`)
		if err := g.emit(); err != nil {
			return err
		}
	}
	return nil
}

func (g *Generator) report(c *chart, v *visit, category, what coded) {
	g.begin("DiagnosticReport", g.id())
	g.add(`,"status":"final","category":[`)
	g.concept(terminology+"v2-0074", category)
	g.add(`],"code":`)
	g.concept(loinc, what)
	g.context(c, v)
	g.add(`,"effectiveDateTime":"`, v.from, `","issued":"`, v.from[:19], `.`, g.digits(3), `Z","performer":[`)
	g.named("Practitioner", v.by.entity)
	g.add(`]`)
}

func (g *Generator) proceduresOf(c *chart, v *visit) error {
	for range g.rare(6) {
		what := pick(&g.writer, g.procedures)
		g.begin("Procedure", g.id())
		if g.chance(50) {
			g.narrative(what.display, pick(&g.writer, g.sentences)+" "+pick(&g.writer, g.sentences))
		}
		g.add(`,"status":"completed","code":`)
		g.concept(snomed, what)
		g.context(c, v)
		g.add(`,"performedPeriod":{"start":"`, v.from, `","end":"`, v.to, `"},"performer":[{"actor":`)
		g.named("Practitioner", v.by.entity)
		g.add(`}],"location":`)
		g.named("Location", v.at.location)
		if len(v.conditions) > 0 {
			g.add(`,"reasonReference":[`)
			g.named("Condition", v.conditions[0])
			g.add(`]`)
		}
		if err := g.emit(); err != nil {
			return err
		}
	}
	return nil
}

func (g *Generator) immunization(c *chart, v *visit) error {
	if !g.chance(25) {
		return nil
	}
	g.begin("Immunization", g.id())
	g.add(`,"status":"completed","vaccineCode":`)
	g.concept("http://hl7.org/fhir/sid/cvx", pick(&g.writer, g.vaccines))
	g.add(`,"patient":`)
	g.named("Patient", c.entity)
	g.add(`,"encounter":`)
	g.ref("Encounter", v.id)
	g.add(`,"occurrenceDateTime":"`, v.from, `","primarySource":true,"location":`)
	g.named("Location", v.at.location)
	g.add(`,"lotNumber":"`, g.digits(6), `"`)
	return g.emit()
}

// medications writes prescriptions and what the pharmacy claims for them.
func (g *Generator) medications(c *chart, v *visit) error {
	for range g.rare(4) {
		id, drug := g.id(), pick(&g.writer, g.drugs)
		g.begin("MedicationRequest", id)
		g.add(`,"status":"`, pick(&g.writer, []string{"stopped", "active", "completed"}), `","intent":"order","category":[`)
		g.concept(terminology+"medicationrequest-category", coded{"community", "Community"})
		g.add(`],"medicationCodeableConcept":`)
		g.concept("http://www.nlm.nih.gov/research/umls/rxnorm", drug)
		g.context(c, v)
		g.add(`,"authoredOn":"`, v.from, `","requester":`)
		g.named("Practitioner", v.by.entity)
		g.add(`,"dosageInstruction":[{"sequence":1,"text":"Take one with water","timing":{"repeat":{"frequency":`)
		g.int(1 + g.rnd.IntN(3))
		g.add(`,"period":1,"periodUnit":"d"}},"asNeededBoolean":false,"doseAndRate":[{"type":`)
		g.concept(terminology+"dose-rate-type", coded{"ordered", "Ordered"})
		g.add(`,"doseQuantity":{"value":1}}]}]`)
		if err := g.emit(); err != nil {
			return err
		}
		if err := g.claim(c, v, g.id(), "pharmacy", drug, `,"prescription":{"reference":"MedicationRequest/`+id+`"}`); err != nil {
			return err
		}
	}
	return nil
}

// note writes the clinical note: as a document and as a report.
func (g *Generator) note(c *chart, v *visit) error {
	text := g.base64()
	kind := coded{"34117-2", "History and physical note"}
	g.report(c, v, kind, kind)
	g.add(`,"presentedForm":[{"contentType":"text/plain; charset=utf-8","data":"`, text, `"}]`)
	if err := g.emit(); err != nil {
		return err
	}
	id := g.id()
	g.begin("DocumentReference", id)
	g.add(`,"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:`, id, `"}],"status":"current","type":`)
	g.concept(loinc, kind)
	g.add(`,"category":[`)
	g.concept("http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", coded{"clinical-note", "Clinical Note"})
	g.add(`],"subject":`)
	g.named("Patient", c.entity)
	g.add(`,"date":"`, v.from[:19], `.`, g.digits(3), `Z","author":[`)
	g.named("Practitioner", v.by.entity)
	g.add(`],"custodian":`)
	g.named("Organization", v.at.organization)
	g.add(`,"content":[{"attachment":{"contentType":"text/plain; charset=utf-8","data":"`, text, `"},"format":{"system":"http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode","code":"urn:ihe:iti:xds:2017:mimeTypeSufficient","display":"mimeType Sufficient"}}],"context":{"encounter":[`)
	g.ref("Encounter", v.id)
	g.add(`],"period":{"start":"`, v.from, `","end":"`, v.to, `"}}`)
	return g.emit()
}

// later is when a bill is settled.
func later(v *visit) string { return stamp(v.end.Add(36 * time.Hour)) }
