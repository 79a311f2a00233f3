package records

import (
	"slices"
	"time"
)

// chart is the record of one patient while it is written.
type chart struct {
	entity
	born time.Time
	gp   physician
}

// visit is an encounter while what belongs to it is written.
type visit struct {
	id         string
	kind       coded
	by         physician
	at         site
	start, end time.Time
	from, to   string // start and end as FHIR writes them
	conditions []entity
}

// chart writes a patient and all of their visits.
func (g *Generator) chart() error {
	c, err := g.patient()
	if err != nil {
		return err
	}
	for _, at := range g.visitTimes(c) {
		if err := g.visit(c, at); err != nil {
			return err
		}
	}
	return nil
}

func (g *Generator) patient() (*chart, error) {
	names, gender, title := g.female, "female", "Mrs."
	if g.chance(49) {
		names, gender, title = g.male, "male", "Mr."
	}
	given, second, family, city := pick(&g.writer, names), pick(&g.writer, names), pick(&g.writer, g.family), pick(&g.writer, g.cities)
	c := &chart{entity: entity{g.id(), given + " " + family}, gp: pick(&g.writer, g.physicians)}
	c.born = horizon().AddDate(-g.rnd.IntN(90), 0, -g.rnd.IntN(365)).Truncate(24 * time.Hour)
	g.begin("Patient", c.id)
	g.narrative(c.name, "Patient of "+g.sites[c.gp.site].organization.name+", born "+day(c.born)+".")
	g.add(`,"identifier":[{"system":"https://github.com/synthetichealth/synthea","value":"`, c.id, `"},{"type":`)
	g.concept(terminology+"v2-0203", coded{"MR", "Medical Record Number"})
	g.add(`,"system":"http://hospital.smarthealthit.org","value":"`, g.digits(9), `"},{"type":`)
	g.concept(terminology+"v2-0203", coded{"SS", "Social Security Number"})
	g.add(`,"system":"http://hl7.org/fhir/sid/us-ssn","value":"999-`, g.digits(2), `-`, g.digits(4), `"}],"active":true,"name":[{"use":"official","family":"`, family,
		`","given":["`, given, `","`, second, `"],"prefix":["`, title, `"]}],"telecom":[{"system":"phone","value":"555-`, g.digits(3), `-`, g.digits(4),
		`","use":"home"}],"gender":"`, gender, `","birthDate":"`, day(c.born), `","address":[`)
	g.address(city)
	g.add(`],"maritalStatus":`)
	g.concept(terminology+"v3-MaritalStatus", coded{"M", "Married"})
	g.add(`,"communication":[{"language":`)
	g.concept("urn:ietf:bcp:47", coded{"en-US", "English"})
	g.add(`}],"generalPractitioner":[`)
	g.named("Practitioner", c.gp.entity)
	g.add(`],"managingOrganization":`)
	g.named("Organization", g.sites[c.gp.site].organization)
	return c, g.emit()
}

// visitTimes spreads the visits of a life: few patients have many, and most
// are of late.
func (g *Generator) visitTimes(c *chart) []time.Time {
	times := make([]time.Time, 2+g.rare(60))
	lived := horizon().Sub(c.born)
	for i := range times {
		f := g.rnd.Float64()
		at := horizon().Add(-time.Duration(f * f * float64(lived)))
		times[i] = time.Date(at.Year(), at.Month(), at.Day(), 8+g.rnd.IntN(10), g.rnd.IntN(60), g.rnd.IntN(60), 0, time.UTC)
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

func (g *Generator) visit(c *chart, at time.Time) error {
	v := &visit{id: g.id(), kind: pick(&g.writer, g.visits), by: c.gp, start: at, end: at.Add(time.Duration(15+g.rnd.IntN(45)) * time.Minute)}
	if g.chance(30) {
		v.by = pick(&g.writer, g.physicians)
	}
	v.at, v.from, v.to = g.sites[v.by.site], stamp(v.start), stamp(v.end)
	for _, part := range []func(*chart, *visit) error{
		g.appointment, g.encounter, g.conditionsOf, g.vitalsOf, g.panelsOf, g.proceduresOf, g.immunization,
		g.medications, g.note, g.bill, g.communication,
	} {
		if err := part(c, v); err != nil {
			return err
		}
	}
	return nil
}

// appointment writes a slot, and who took it.
func (g *Generator) appointment(c *chart, v *visit) error {
	if !g.chance(25) {
		return nil
	}
	slot, taken := g.id(), g.chance(80)
	status := "free"
	if taken {
		status = "busy"
	}
	g.begin("Slot", slot)
	g.add(`,"schedule":`)
	g.ref("Schedule", v.by.schedule)
	g.add(`,"status":"`, status, `","start":"`, v.from, `","end":"`, v.to, `"`)
	if err := g.emit(); err != nil || !taken {
		return err
	}
	g.begin("Appointment", g.id())
	g.add(`,"status":"fulfilled","serviceType":[`)
	g.concept(snomed, v.kind)
	g.add(`],"description":"`, v.kind.display, `","start":"`, v.from, `","end":"`, v.to, `","slot":[`)
	g.ref("Slot", slot)
	g.add(`],"participant":[{"actor":`)
	g.named("Patient", c.entity)
	g.add(`,"status":"accepted"},{"actor":`)
	g.named("Practitioner", v.by.entity)
	g.add(`,"status":"accepted"},{"actor":`)
	g.named("Location", v.at.location)
	g.add(`,"status":"accepted"}]`)
	return g.emit()
}

func (g *Generator) encounter(c *chart, v *visit) error {
	class := pick(&g.writer, []string{"AMB", "AMB", "EMER", "IMP"})
	g.begin("Encounter", v.id)
	g.add(`,"identifier":[{"use":"official","system":"https://github.com/synthetichealth/synthea","value":"`, v.id,
		`"}],"status":"finished","class":{"system":"`, terminology, `v3-ActCode","code":"`, class, `"},"type":[`)
	g.concept(snomed, v.kind)
	g.add(`],"subject":`)
	g.named("Patient", c.entity)
	g.add(`,"participant":[{"type":[`)
	g.concept(terminology+"v3-ParticipationType", coded{"PPRF", "primary performer"})
	g.add(`],"period":{"start":"`, v.from, `","end":"`, v.to, `"},"individual":`)
	g.named("Practitioner", v.by.entity)
	g.add(`}],"period":{"start":"`, v.from, `","end":"`, v.to, `"},"location":[{"location":`)
	g.named("Location", v.at.location)
	g.add(`}],"serviceProvider":`)
	g.named("Organization", v.at.organization)
	return g.emit()
}

// communication writes a message about the visit.
func (g *Generator) communication(c *chart, v *visit) error {
	if !g.chance(10) {
		return nil
	}
	g.begin("Communication", g.id())
	g.add(`,"status":"completed","category":[`)
	g.concept(terminology+"communication-category", coded{"notification", "Notification"})
	g.add(`],"subject":`)
	g.named("Patient", c.entity)
	g.add(`,"encounter":`)
	g.ref("Encounter", v.id)
	g.add(`,"sent":"`, v.to, `","recipient":[`)
	g.named("Patient", c.entity)
	g.add(`],"sender":`)
	g.named("Practitioner", v.by.entity)
	g.add(`,"payload":[{"contentString":"`, pick(&g.writer, g.sentences), ` `, pick(&g.writer, g.sentences), `"}]`)
	return g.emit()
}
