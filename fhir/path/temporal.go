package path

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// precision counts the parts of a temporal that are given.
type precision uint8

const (
	toYear precision = iota + 1
	toMonth
	toDay
	toHour
	toMinute
	toSecond
	toMilli // seconds with a fraction
)

// temporal is a date, date-time or time of day with its precision. A time of
// day lies on 1 January of year 0.
type temporal struct {
	t      time.Time // with what is not given at its smallest
	prec   precision
	kind   Kind
	zone   bool  // a zone was given
	digits uint8 // of the fraction
}

var errTemporal = errors.New("not a date or time")

// parseTemporal reads a literal, without the @, or the text of an element; a
// time of day starts with T.
func parseTemporal(s string) (temporal, error) {
	if rest, ok := strings.CutPrefix(s, "T"); ok {
		w := temporal{kind: Time, t: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)}
		err := w.clock(rest, false)
		return w, err
	}
	date, clock, hasClock := strings.Cut(s, "T")
	w := temporal{kind: Date}
	if hasClock {
		w.kind = DateTime
	}
	parts := strings.Split(date, "-")
	if len(parts) > 3 || len(parts[0]) != 4 {
		return w, errTemporal
	}
	ymd := [3]int{1, 1, 1}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || (i > 0 && len(p) != 2) {
			return w, errTemporal
		}
		ymd[i] = int(n)
	}
	w.prec = precision(len(parts))
	w.t = time.Date(ymd[0], time.Month(ymd[1]), ymd[2], 0, 0, 0, 0, time.UTC)
	if y, m, d := w.t.Date(); y != ymd[0] || int(m) != ymd[1] || d != ymd[2] {
		return w, errTemporal
	}
	if !hasClock || clock == "" {
		return w, nil
	}
	if w.prec != toDay {
		return w, errTemporal
	}
	err := w.clock(clock, true)
	return w, err
}

// clock reads hh[:mm[:ss[.fff]]] and a zone.
func (w *temporal) clock(s string, zone bool) error {
	loc := time.UTC
	if i := strings.IndexAny(s, "Z+-"); i >= 0 {
		if !zone {
			return errTemporal
		}
		at, err := time.Parse("Z07:00", s[i:])
		if err != nil {
			return errTemporal
		}
		loc, s, w.zone = at.Location(), s[:i], true
	}
	s, fraction, hasFraction := strings.Cut(s, ".")
	parts := strings.Split(s, ":")
	if len(parts) > 3 || (hasFraction && len(parts) != 3) {
		return errTemporal
	}
	limits, hms := [3]uint64{23, 59, 59}, [3]int{}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || len(p) != 2 || n > limits[i] {
			return errTemporal
		}
		hms[i] = int(n)
	}
	nano := 0
	w.prec = toDay + precision(len(parts))
	if hasFraction {
		n, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
		if err != nil || fraction == "" || strings.Trim(fraction, "0123456789") != "" {
			return errTemporal
		}
		nano, w.prec, w.digits = int(n), toMilli, uint8(min(len(fraction), 9))
	}
	y, m, d := w.t.Date()
	w.t = time.Date(y, m, d, hms[0], hms[1], hms[2], nano, loc)
	return nil
}

// String gives the text with the precision it was given.
func (w temporal) String() string {
	layouts := [...]string{toYear: "2006", toMonth: "2006-01", toDay: "2006-01-02", toHour: "T15", toMinute: "T15:04", toSecond: "T15:04:05"}
	day, clock := layouts[min(w.prec, toDay)], ""
	if w.prec > toDay {
		clock = layouts[min(w.prec, toSecond)]
		if w.prec == toMilli {
			clock += "." + strings.Repeat("0", int(w.digits))
		}
	}
	if w.kind == Time {
		return strings.TrimPrefix(w.t.Format(clock), "T")
	}
	s := w.t.Format(day + clock)
	if w.zone {
		s += w.t.Format("Z07:00")
	}
	return s
}

// order compares part by part; known is false where one has a part that the
// other has not and all before are equal (FHIRPath 2.0, 6.2). Seconds and their
// fraction are one part.
func (w temporal) order(o temporal) (c int, known bool) {
	a, b := w.t, o.t
	if w.zone || o.zone {
		a, b = a.UTC(), b.UTC()
	}
	ap, bp := parts(a), parts(b)
	n := min(w.prec, o.prec)
	if n >= toSecond {
		n = toMilli
	}
	for i := range n {
		if ap[i] != bp[i] {
			if ap[i] < bp[i] {
				return -1, true
			}
			return 1, true
		}
	}
	same := w.prec == o.prec || (w.prec >= toSecond && o.prec >= toSecond)
	return 0, same
}

func parts(t time.Time) [toMilli]int {
	return [...]int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond()}
}

// timeUnits are the units of time by precision, and how many of each make one
// of the next coarser.
var timeUnits = [...]struct {
	name string
	per  int64
}{
	toYear: {"year", 0}, toMonth: {"month", 12}, toDay: {"day", 30}, toHour: {"hour", 24},
	toMinute: {"minute", 60}, toSecond: {"second", 60}, toMilli: {"millisecond", 1000},
}

// add moves w by a quantity of time. A unit finer than w's precision is
// converted to it first, and cut to a whole number (FHIRPath 2.0, 6.6.3): a
// month has 30 days for that, a year 365.
func (w temporal) add(num *big.Rat, unit string, sign int64) (temporal, error) {
	n, fine, err := timeAmount(num, unit)
	if err != nil {
		return w, err
	}
	if w.kind == Time && fine <= toDay {
		return w, fmt.Errorf("%w: a time of day cannot move by %s", errEval, unit)
	}
	finest := w.prec
	if finest == toSecond {
		finest = toMilli
	}
	for ; fine > finest; fine-- {
		if fine == toDay && finest == toYear {
			n, fine = n/365, toMonth
			continue
		}
		n /= timeUnits[fine].per
	}
	n *= sign
	switch fine {
	case toYear:
		w.t = addMonths(w.t, 12*int(n))
	case toMonth:
		w.t = addMonths(w.t, int(n))
	case toDay:
		w.t = w.t.AddDate(0, 0, int(n))
	default:
		w.t = w.t.Add(time.Duration(n) * clockUnit[fine])
	}
	if y := w.t.Year(); w.kind != Time && (y < 1 || y > 9999) {
		return w, fmt.Errorf("%w: the date is out of range", errEval)
	}
	if w.kind == Time {
		w.t = time.Date(0, 1, 1, w.t.Hour(), w.t.Minute(), w.t.Second(), w.t.Nanosecond(), time.UTC)
	}
	return w, nil
}

var clockUnit = [...]time.Duration{toHour: time.Hour, toMinute: time.Minute, toSecond: time.Second, toMilli: time.Millisecond}

// timeAmount reads a quantity of time as a whole number of a unit. Seconds are
// given in milliseconds, since they may have a fraction; others lose theirs.
func timeAmount(num *big.Rat, unit string) (n int64, fine precision, err error) {
	for word, ucum := range definite {
		if unit == ucum {
			unit = word
		}
	}
	value, _ := num.Float64()
	switch unit {
	case "week":
		value, unit = math.Trunc(value)*7, "day"
	case "second":
		value, unit = value*1000, "millisecond"
	}
	for p := toYear; p <= toMilli; p++ {
		if timeUnits[p].name != unit {
			continue
		}
		limit := 4e6
		if p > toDay {
			limit = float64(math.MaxInt64 / clockUnit[p])
		}
		if math.Abs(value) >= limit {
			return 0, 0, fmt.Errorf("%w: the quantity is out of range", errEval)
		}
		return int64(value), p, nil
	}
	return 0, 0, fmt.Errorf("%w: a date cannot move by %q", errEval, unit)
}

// addMonths keeps the day, or takes the last one of a shorter month.
func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}
