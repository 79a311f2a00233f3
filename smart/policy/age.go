package policy

import (
	"fmt"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

// Band is a span of ages. Bands are ordered: a later one is of older people.
type Band uint8

// The bands. The zero value stands for an age that nobody knows.
const (
	Child Band = iota + 1
	Teen
	Adult
)

// String gives the name as it stands in the data.
func (b Band) String() string {
	switch b {
	case Child:
		return "child"
	case Teen:
		return "teen"
	case Adult:
		return "adult"
	}
	return "undated"
}

// Pack says at how many years of age the bands begin.
type Pack struct {
	Teen  int `yaml:"teen"`
	Adult int `yaml:"adult"`
	// Review is the age at which a grant rests until it was reviewed; 0: none.
	Review int `yaml:"review"`
}

// Ages are the moments at which somebody enters the bands.
type Ages struct {
	Teen, Adult time.Time
	Review      time.Time // zero without one
}

// Ages computes them for a date of birth as Patient.birthDate has it, in the zone
// of the clinic. ok is false when it is no date.
func (p Pack) Ages(birth string, loc *time.Location) (a Ages, ok bool) {
	d, err := fhir.ParseDate(birth)
	if err != nil || d.Precision > fhir.PrecisionDay {
		return Ages{}, false
	}
	// A partial date counts from the earliest day: access narrows sooner.
	earliest, _ := d.Range(time.UTC)
	a.Teen, a.Adult = birthday(earliest, p.Teen, loc), birthday(earliest, p.Adult, loc)
	if p.Review > 0 {
		a.Review = birthday(earliest, p.Review, loc)
	}
	return a, true
}

// birthday gives the start of the day on which somebody becomes so many years old.
func birthday(birth time.Time, years int, loc *time.Location) time.Time {
	year, month, day := birth.Date()
	year += years
	if month == time.February && day == 29 && time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Day() != day {
		day = 28
	}
	// fhir.Date knows when a day starts whose midnight the clocks skip.
	d, err := fhir.ParseDate(fmt.Sprintf("%04d-%02d-%02d", year, month, day))
	if err != nil {
		return time.Time{} // beyond the year 9999: as if it had been
	}
	start, _ := d.Range(loc)
	return start
}

// Band gives the band that somebody is in.
func (a Ages) Band(now time.Time) Band {
	switch {
	case !now.Before(a.Adult):
		return Adult
	case !now.Before(a.Teen):
		return Teen
	}
	return Child
}

// Next gives the first moment after now at which a boundary is crossed; zero when
// there is none to come.
func (a Ages) Next(now time.Time) time.Time {
	var next time.Time
	for _, at := range []time.Time{a.Teen, a.Review, a.Adult} {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

func (p *Policy) checkAges(problem func(string, ...any)) {
	for name, pack := range p.Packs {
		if pack.Teen <= 0 || pack.Adult <= pack.Teen || pack.Review < 0 {
			problem("packs: %s: the bands do not follow each other", name)
		}
	}
	if _, ok := p.Packs[p.Pack]; !ok {
		problem("pack: there is no pack %q", p.Pack)
	}
}
