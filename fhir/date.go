package fhir

import (
	"fmt"
	"time"
)

// Precision says how much of a Date was given.
type Precision uint8

// The precisions, from coarse to fine.
const (
	PrecisionYear Precision = iota + 1
	PrecisionMonth
	PrecisionDay
	PrecisionMinute // only in search values; date-times need seconds
	PrecisionSecond
	PrecisionFraction
)

// Date is a FHIR date, dateTime or instant (R4 2.24.0.1): a span of time as
// long as its precision. Without a zone it is a local date, and the caller says
// where local is.
type Date struct {
	start     time.Time     // first moment; in UTC when there is no zone
	unit      time.Duration // of PrecisionFraction: the last digit given
	Precision Precision
	HasZone   bool
}

// ParseDate reads YYYY, YYYY-MM, YYYY-MM-DD, or a date with a time hh:mm,
// hh:mm:ss or hh:mm:ss.fff… and an optional zone (Z or ±hh:mm). More than nine
// digits of a second are cut. Callers that need a narrower type (an instant has
// a zone and seconds) check Precision and HasZone.
func ParseDate(s string) (Date, error) {
	p := dateParser{rest: s}
	d := Date{Precision: PrecisionYear}
	year, month, day := p.digits(4), 1, 1
	var hour, minute, second, nano int
	if p.skip('-') {
		month, d.Precision = p.digits(2), PrecisionMonth
		if p.skip('-') {
			day, d.Precision = p.digits(2), PrecisionDay
			if p.skip('T') {
				hour, d.Precision = p.digits(2), PrecisionMinute
				p.need(':')
				minute = p.digits(2)
				if p.skip(':') {
					second, d.Precision = p.digits(2), PrecisionSecond
					if p.skip('.') {
						nano, d.unit = p.fraction()
						d.Precision = PrecisionFraction
					}
				}
			}
		}
	}
	zone := time.UTC
	if d.Precision >= PrecisionMinute && p.rest != "" {
		zone, d.HasZone = p.zone(), true
	}
	if p.bad || p.rest != "" || year == 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 60 {
		return Date{}, fmt.Errorf("not a FHIR date: want YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz")
	}
	d.start = time.Date(year, time.Month(month), day, hour, minute, second, nano, zone)
	return d, nil
}

// Range gives the half-open span [low, high) in UTC. A date without a zone is
// taken as local in loc; a day of daylight saving is then 23 or 25 hours long.
func (d Date) Range(loc *time.Location) (low, high time.Time) {
	low = d.start
	if !d.HasZone {
		low = inZone(low, loc)
	}
	switch d.Precision {
	case PrecisionYear:
		high = inZone(d.start.AddDate(1, 0, 0), loc)
	case PrecisionMonth:
		high = inZone(d.start.AddDate(0, 1, 0), loc)
	case PrecisionDay:
		high = inZone(d.start.AddDate(0, 0, 1), loc)
	case PrecisionMinute:
		high = low.Add(time.Minute)
	case PrecisionFraction:
		high = low.Add(d.unit)
	default:
		high = low.Add(time.Second)
	}
	return low.UTC(), high.UTC()
}

// inZone gives the moment at which clocks in loc show what t shows. Where clocks
// skip that reading, as at midnight when daylight saving starts there, it is the
// moment at which they jump.
func inZone(t time.Time, loc *time.Location) time.Time {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	at := time.Date(year, month, day, hour, minute, second, t.Nanosecond(), loc)
	if at.Day() == day && at.Hour() == hour && at.Minute() == minute {
		return at
	}
	// time.Date may answer with either side of the gap.
	start, end := at.ZoneBounds()
	if !start.IsZero() && at.Sub(start) < 24*time.Hour {
		return start
	}
	return end
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// dateParser consumes rest from the left; bad sticks.
type dateParser struct {
	rest string
	bad  bool
}

func (p *dateParser) digits(n int) int {
	if len(p.rest) < n {
		p.bad = true
		return 0
	}
	v := 0
	for i := range n {
		c := p.rest[i]
		if c < '0' || c > '9' {
			p.bad = true
			return 0
		}
		v = v*10 + int(c-'0')
	}
	p.rest = p.rest[n:]
	return v
}

func (p *dateParser) skip(c byte) bool {
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *dateParser) need(c byte) {
	if !p.skip(c) {
		p.bad = true
	}
}

// fraction reads the digits behind the point: nanoseconds, and the weight of
// the last digit.
func (p *dateParser) fraction() (nano int, unit time.Duration) {
	unit = time.Second
	n := 0
	for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
		if n < 9 {
			unit /= 10
			nano += int(p.rest[n]-'0') * int(unit)
		}
		n++
	}
	p.bad = p.bad || n == 0
	p.rest = p.rest[n:]
	return nano, unit
}

func (p *dateParser) zone() *time.Location {
	if p.skip('Z') {
		return time.UTC
	}
	sign := 1
	if !p.skip('+') {
		p.need('-')
		sign = -1
	}
	h := p.digits(2)
	p.need(':')
	m := p.digits(2)
	if h > 14 || m > 59 || h == 14 && m > 0 {
		p.bad = true
	}
	return time.FixedZone("", sign*(h*60+m)*60)
}
