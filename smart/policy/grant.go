package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// BasisSystem is the system of the category by which a Consent says on which basis
// somebody was granted to act: only such a Consent stands for a grant.
const BasisSystem = "https://portico-fhir.github.io/CodeSystem/proxy-basis"

// Subject is what is known of the patient that a grant is about.
type Subject struct {
	Birth       string // Patient.birthDate; empty when it is not known
	Deceased    bool
	Emancipated bool // a minor who is of age before the law
}

// Grant is what a proxy was granted for one patient: the compiled form of a Consent,
// which only the server writes.
type Grant struct {
	ID      string
	Proxy   fhir.Key // the RelatedPerson
	Patient string   // logical id
	Basis   string   // a key of Policy.Bases
	Active  bool     // its status
	// NotBefore and NotAfter bound it; zero NotAfter only for a basis that does not
	// limit how long a grant may last.
	NotBefore, NotAfter time.Time
	Categories          []string // nil: all of the column, unless that wants them named
	Actions             []Action // nil: all of the column
	Ordered             bool     // a court's order gives it in full
	Reviewed            time.Time
	// Crossed is the last band that the patient was seen in under this grant: what
	// narrowed with age does not widen when a date of birth or a clock is corrected.
	Crossed Band
}

// Effective is what a proxy may do now. The zero value permits nothing.
type Effective struct {
	Grant   string
	Proxy   fhir.Key
	Patient string
	Basis   string
	Band    Band
	Column  string
	Cells   map[string]Cell      // what is permitted, by category
	Hide    map[fhir.Type]Hidden // what is not shown of resources that are
	Until   time.Time            // when it may become less; zero: not foreseen
	Terms   string               // another one whenever a grant was narrowed, by somebody or by age
}

// Effective gives what a grant permits now; ok is false when it has no effect. Loc is
// the zone of the clinic.
func (p *Policy) Effective(g Grant, s Subject, now time.Time, loc *time.Location) (e Effective, ok bool) {
	basis, known := p.Bases[g.Basis]
	if !known || !g.Active || now.Before(g.NotBefore) || s.Deceased {
		return Effective{}, false
	}
	end := basis.end(g)
	if !end.IsZero() && !now.Before(end) {
		return Effective{}, false
	}
	band, ages := p.band(g, s, now, loc)
	if !ages.Review.IsZero() && !now.Before(ages.Review) && band < Adult && g.Reviewed.Before(ages.Review) {
		return Effective{}, false
	}
	if band == Adult && g.Ordered && end.IsZero() {
		return Effective{}, false // an order over somebody of age has an end
	}
	column, ok := p.Columns[basis.column(band, g.Ordered)]
	if !ok {
		return Effective{}, false
	}
	e = Effective{
		Grant: g.ID, Proxy: g.Proxy, Patient: g.Patient, Basis: g.Basis, Band: band, Column: basis.column(band, g.Ordered),
		Cells: column.cells(g), Hide: column.Hide, Until: end,
	}
	e.Terms = e.Column
	if g.Categories != nil || g.Actions != nil {
		e.Terms = fmt.Sprintf("%s %q %q", e.Column, g.Categories, g.Actions)
	}
	if next := ages.Next(now); !next.IsZero() && (end.IsZero() || next.Before(end)) {
		e.Until = next
	}
	return e, true
}

// BandOf gives the band in which a grant is now: that of the patient's age, or one that
// was entered before; 0 while no age is known.
func (p *Policy) BandOf(g Grant, s Subject, now time.Time, loc *time.Location) Band {
	band, _ := p.band(g, s, now, loc)
	return band
}

// ColumnOf gives the column that a grant uses in a band; ok is false when it has no
// effect there.
func (p *Policy) ColumnOf(g Grant, band Band) (column Column, ok bool) {
	column, ok = p.Columns[p.Bases[g.Basis].column(band, g.Ordered)]
	return column, ok
}

// Categories lists what e permits to see, sorted.
func (e *Effective) Categories() []string {
	var names []string
	for name, cell := range e.Cells {
		if slices.Contains(cell.Do, See) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// band gives the band in which a grant is, and the boundaries.
func (p *Policy) band(g Grant, s Subject, now time.Time, loc *time.Location) (Band, Ages) {
	ages, ok := p.Packs[p.Pack].Ages(s.Birth, loc)
	switch {
	case s.Emancipated:
		return Adult, Ages{}
	case !ok:
		return 0, Ages{}
	}
	return max(ages.Band(now), g.Crossed), ages
}

// end is when a grant ends at the latest; zero when it does not. One that must not
// last for ever, but has no start to count from, has ended.
func (b Basis) end(g Grant) time.Time {
	if b.Longest == 0 {
		return g.NotAfter
	}
	longest := g.NotBefore.Add(b.Longest)
	if g.NotAfter.IsZero() || longest.Before(g.NotAfter) {
		return longest
	}
	return g.NotAfter
}

// column names the column that a grant uses; empty for none.
func (b Basis) column(band Band, ordered bool) string {
	name := map[Band]string{0: b.Undated, Child: b.Child, Teen: b.Teen, Adult: b.Adult}[band]
	if ordered && b.Ordered[band.String()] != "" {
		return b.Ordered[band.String()]
	}
	return name
}

// cells gives what of a column a grant permits.
func (c Column) cells(g Grant) map[string]Cell {
	all := make(map[string]Cell)
	for category, cell := range c.Cells {
		named := slices.Contains(g.Categories, category) || slices.Contains(c.Always, category)
		if !named && (c.Named || g.Categories != nil) {
			continue
		}
		if g.Actions != nil {
			cell.Do = slices.DeleteFunc(slices.Clone(cell.Do), func(a Action) bool { return !slices.Contains(g.Actions, a) })
		}
		if len(cell.Do) > 0 {
			all[category] = cell
		}
	}
	return all
}
