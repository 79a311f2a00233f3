package records

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"
)

// Generator writes resources as NDJSON, patient by patient, so that its memory
// does not grow with their number.
type Generator struct {
	Count int    // of resources, at least 1
	Seed  uint64 // others give other records

	*tables
	writer
	out     *bufio.Writer
	written int

	sites      []site
	physicians []physician
}

// site is an organization with its location.
type site struct{ organization, location entity }

// physician works at one site and has a schedule.
type physician struct {
	entity
	site     int
	schedule string
}

// errDone ends the work when enough is written.
var errDone = errors.New("written")

// Write writes Count resources to out. It ends early when ctx does, or out fails.
func (g *Generator) Write(ctx context.Context, out io.Writer) error {
	g.tables = newTables()
	g.rnd = rand.New(rand.NewPCG(g.Seed, 0))
	g.out = bufio.NewWriterSize(out, 1<<18)
	g.written = 0
	if err := g.resources(ctx); err != nil && !errors.Is(err, errDone) {
		return err
	}
	return g.out.Flush()
}

func (g *Generator) resources(ctx context.Context) error {
	if err := g.places(); err != nil {
		return err
	}
	for n := uint64(1); ; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// Each patient has numbers of their own: what one takes does not change the next.
		g.rnd = rand.New(rand.NewPCG(g.Seed, n))
		if err := g.chart(); err != nil {
			return err
		}
	}
}

// emit ends the resource in the buffer and writes it.
func (g *Generator) emit() error {
	g.add("}\n")
	if _, err := g.out.Write(g.buf); err != nil {
		return err
	}
	if g.written++; g.written == g.Count {
		return errDone
	}
	return nil
}

// places writes who and what serves the patients: few of each.
func (g *Generator) places() error {
	sites := 2 + min(g.Count/5000, 500)
	for i := range sites {
		city := pick(&g.writer, g.cities)
		s := site{entity{g.id(), city + " Clinic " + g.digits(2)}, entity{g.id(), city + " Outpatient Department"}}
		g.sites = append(g.sites[:i], s)
		if err := g.organization(s, city); err != nil {
			return err
		}
		if err := g.location(s, city); err != nil {
			return err
		}
	}
	for i := range 4 * sites {
		p := physician{site: i % sites, schedule: g.id()}
		p.entity = entity{g.id(), "Dr. " + pick(&g.writer, g.female) + " " + pick(&g.writer, g.family)}
		g.physicians = append(g.physicians[:i], p)
		if err := g.practitioner(p); err != nil {
			return err
		}
	}
	return nil
}

func (g *Generator) organization(s site, city string) error {
	g.begin("Organization", s.organization.id)
	g.add(`,"identifier":[{"system":"https://github.com/synthetichealth/synthea","value":"`, s.organization.id, `"}],"active":true,"type":[`)
	g.concept(terminology+"organization-type", coded{"prov", "Healthcare Provider"})
	g.add(`],"name":"`, s.organization.name, `","telecom":[{"system":"phone","value":"617-555-`, g.digits(4), `"}],"address":[`)
	g.address(city)
	g.add(`]`)
	return g.emit()
}

func (g *Generator) location(s site, city string) error {
	g.begin("Location", s.location.id)
	g.add(`,"status":"active","name":"`, s.location.name, `","telecom":[{"system":"phone","value":"617-555-`, g.digits(4), `"}],"address":`)
	g.address(city)
	g.add(`,"position":{"longitude":-71.`, g.digits(4), `,"latitude":42.`, g.digits(4), `},"managingOrganization":`)
	g.named("Organization", s.organization)
	return g.emit()
}

func (g *Generator) address(city string) {
	g.add(`{"line":["`, g.digits(3), ` `, pick(&g.writer, g.streets), `"],"city":"`, city, `","state":"MA","postalCode":"02`, g.digits(3), `","country":"US"}`)
}

func (g *Generator) practitioner(p physician) error {
	given, family := pick(&g.writer, g.female), pick(&g.writer, g.family)
	g.begin("Practitioner", p.id)
	g.add(`,"identifier":[{"system":"http://hl7.org/fhir/sid/us-npi","value":"99`, g.digits(8), `"}],"active":true,"name":[{"family":"`, family,
		`","given":["`, given, `"],"prefix":["Dr."]}],"telecom":[{"system":"email","value":"`, p.id[:8], `@example.com","use":"work"}],"gender":"female"`)
	if err := g.emit(); err != nil {
		return err
	}
	g.begin("Schedule", p.schedule)
	g.add(`,"active":true,"actor":[`)
	g.named("Practitioner", p.entity)
	g.add(`,`)
	g.named("Location", g.sites[p.site].location)
	g.add(`],"planningHorizon":{"start":"2025-01-01","end":"2026-12-31"}`)
	return g.emit()
}

// horizon is when the records end.
func horizon() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }
