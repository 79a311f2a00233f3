package index

import (
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
)

// class says how long a span is, so that its end follows from its start.
type class byte

// The classes. Local spans are those of dates without a zone.
const (
	classMilli  class = 'f'
	classSecond class = 's'
	classDay    class = 'd' // a local day
	classMonth  class = 'm' // a local month
	classYear   class = 'y' // a local year
	classAny    class = 'v' // anything else: a period, or one that is open
)

// classes are all that follow from their start.
var classes = [...]class{classMilli, classSecond, classDay, classMonth, classYear}

// span is a half-open stretch of time.
type span struct {
	low, high time.Time
	class     class
}

// The ends of time, for periods that are open.
var (
	minTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	maxTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// span reads a date, a Period or the outer limits of a Timing (R4 3.1.1.4.7).
func (r *reader) span(it path.Item) (span, bool) {
	switch it.Type() {
	case "Period":
		return r.period(it)
	case "Timing":
		return r.timing(it)
	}
	d, err := fhir.ParseDate(it.Literal())
	if err != nil {
		return span{}, false
	}
	low, high := d.Range(r.loc)
	s := span{low, high, classAny}
	switch {
	case d.Precision == fhir.PrecisionFraction && high.Sub(low) == time.Millisecond:
		s.class = classMilli
	case d.Precision == fhir.PrecisionSecond:
		s.class = classSecond
	case d.Precision == fhir.PrecisionDay:
		s.class = classDay
	case d.Precision == fhir.PrecisionMonth:
		s.class = classMonth
	case d.Precision == fhir.PrecisionYear:
		s.class = classYear
	}
	return s, true
}

func (r *reader) period(it path.Item) (span, bool) {
	s := span{minTime, maxTime, classAny}
	found := false
	for c := range it.Children("") {
		end, ok := r.span(c)
		switch {
		case !ok:
		case c.Name() == "start":
			s.low, found = end.low, true
		case c.Name() == "end":
			s.high, found = end.high, true
		}
	}
	return s, found
}

func (r *reader) timing(it path.Item) (span, bool) {
	var s span
	found := false
	add := func(e span, ok bool) {
		switch {
		case !ok:
		case !found:
			s, found = e, true
		default:
			s = span{earlier(s.low, e.low), later(s.high, e.high), classAny}
		}
	}
	for c := range it.Children("") {
		switch c.Name() {
		case "event":
			add(r.span(c))
		case "repeat":
			for b := range c.Children("bounds") {
				if b.Type() == "Period" {
					add(r.period(b))
				}
			}
		}
	}
	return s, found
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// lastStart gives the latest start, in milliseconds, that a span of the class
// may have so that it ends at or before t; ok is false for classAny.
func (c class) lastStart(t time.Time, loc *time.Location) int64 {
	local := t.In(loc)
	y, m, d := local.Date()
	var start time.Time
	switch c {
	case classMilli:
		return t.UnixMilli() - 1
	case classSecond:
		return t.UnixMilli() - 1000
	case classDay:
		start = time.Date(y, m, d-1, 0, 0, 0, 0, loc)
	case classMonth:
		start = time.Date(y, m-1, 1, 0, 0, 0, 0, loc)
	case classYear:
		start = time.Date(y-1, 1, 1, 0, 0, 0, 0, loc)
	}
	return start.UnixMilli()
}

// compare tells whether a value satisfies a prefix and a date (R4 3.1.1.4.3).
func (s span) compare(prefix fhir.Prefix, low, high time.Time, now time.Time) bool {
	switch prefix {
	case "", fhir.EQ:
		return !s.low.Before(low) && !s.high.After(high)
	case fhir.NE:
		return s.low.Before(low) || s.high.After(high)
	case fhir.GT:
		return s.high.After(high)
	case fhir.LT:
		return s.low.Before(low)
	case fhir.GE: // GT or EQ
		return s.high.After(high) || !s.low.Before(low)
	case fhir.LE: // LT or EQ
		return s.low.Before(low) || !s.high.After(high)
	case fhir.SA:
		return !s.low.Before(high)
	case fhir.EB:
		return !s.high.After(low)
	case fhir.Contains:
		return !s.low.After(low) && !s.high.Before(high)
	case fhir.Overlaps:
		return s.low.Before(high) && s.high.After(low)
	case fhir.AP:
		slack := now.Sub(low).Abs() / 10
		return s.low.Before(high.Add(slack)) && s.high.After(low.Add(-slack))
	}
	return false
}
