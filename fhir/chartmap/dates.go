package chartmap

import (
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// moment is how a rule reads dates: from BSON dates, or from text.
type moment struct {
	ref
	day    bool           // a FHIR date; else a dateTime or instant
	text   bool           // stored as text
	millis bool           // always written with milliseconds (meta.lastUpdated)
	exact  bool           // an instant: text needs seconds
	zone   *time.Location // in which BSON dates are shown, and to which text without offset belongs
	loc    *time.Location // in which search understands dates without a zone
}

const (
	dayLayout    = "2006-01-02"
	secondLayout = "2006-01-02T15:04:05Z07:00"
)

// years bounds what FHIR can write: 0001 to 9999, with a day to spare for zones.
func years() (low, high time.Time) {
	return time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
}

// append writes the value as a JSON string.
func (m *moment) append(dst []byte, v bson.RawValue) ([]byte, bool) {
	if m.text {
		s, ok := textOf(v)
		if !ok {
			return dst, false
		}
		d, ok := m.parse(string(s))
		if !ok {
			return dst, false
		}
		dst = append(append(dst, '"'), s...)
		if d.Precision >= fhir.PrecisionSecond && !d.HasZone {
			low, _ := d.Range(m.zone)
			dst = m.in(low).AppendFormat(dst, "Z07:00")
		}
		return append(dst, '"'), true
	}
	t, ok := m.time(v)
	if !ok {
		return dst, false
	}
	dst = append(dst, '"')
	switch {
	case m.day:
		dst = m.in(t).AppendFormat(dst, dayLayout)
	case m.millis || t.Nanosecond() != 0:
		dst = appendMillis(dst, m.in(t))
	default:
		dst = m.in(t).AppendFormat(dst, secondLayout)
	}
	return append(dst, '"'), true
}

// appendMillis writes t with milliseconds, in a third of the time that a layout of them takes: only for layouts of
// RFC 3339 has package time a way of its own. The year has four digits.
func appendMillis(dst []byte, t time.Time) []byte {
	start := len(dst)
	dst = t.AppendFormat(dst, secondLayout)
	ms := t.Nanosecond() / int(time.Millisecond)
	return slices.Insert(dst, start+len("2006-01-02T15:04:05"), '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// in gives t in the rule's zone. Offsets of old local times that have seconds
// cannot be written (R4 2.24.0.1, dateTime): then it is UTC.
func (m *moment) in(t time.Time) time.Time {
	local := t.In(m.zone)
	if _, offset := local.Zone(); offset%60 != 0 && !m.day {
		return t.UTC()
	}
	return local
}

// time reads a BSON date that FHIR can write.
func (m *moment) time(v bson.RawValue) (time.Time, bool) {
	ms, ok := v.DateTimeOK()
	if !ok {
		return time.Time{}, false
	}
	t := time.UnixMilli(ms)
	low, high := years()
	return t, !t.Before(low) && t.Before(high)
}

// parse reads date text of the precision that the element takes; a local time
// is completed by the offset of its zone.
func (m *moment) parse(s string) (fhir.Date, bool) {
	d, err := fhir.ParseDate(s)
	if err != nil || len(s) > 32 {
		return d, false
	}
	switch {
	case m.day:
		return d, d.Precision <= fhir.PrecisionDay
	case m.exact:
		return d, d.Precision >= fhir.PrecisionSecond
	}
	return d, d.Precision != fhir.PrecisionMinute
}

// present holds where append writes something.
func (m *moment) present() cond {
	if m.text {
		return roughly{m.ref.text(), m.textTest(func(_, _ time.Time) bool { return true })}
	}
	return exactly{m.span(nil, nil)}
}

// span holds where the BSON date is in [low, high) and can be written.
func (m *moment) span(low, high *time.Time) store.Filter {
	first, last := years()
	if low != nil && low.After(first) {
		first = *low
	}
	if high != nil && high.Before(last) {
		last = *high
	}
	if !first.Before(last) {
		return store.None()
	}
	return m.between(ceilMilli(first), ceilMilli(last))
}

// ceilMilli rounds up to the precision of BSON dates: t ≥ x and t < x mean the
// same for whole milliseconds t.
func ceilMilli(t time.Time) time.Time {
	if down := t.Truncate(time.Millisecond); down.Before(t) {
		return down.Add(time.Millisecond)
	}
	return t
}

// interval is a condition on the span of time that a value stands for.
type interval struct {
	startsFrom, startsBefore, endsBy, endsAfter *time.Time // start ≥, start <, end ≤, end >
}

func (iv interval) holds(low, high time.Time) bool {
	return (iv.startsFrom == nil || !low.Before(*iv.startsFrom)) && (iv.startsBefore == nil || low.Before(*iv.startsBefore)) &&
		(iv.endsBy == nil || !high.After(*iv.endsBy)) && (iv.endsAfter == nil || high.After(*iv.endsAfter))
}

// intervals says what a prefix asks of a value (R4 3.1.1.4.3 and 3.1.1.4.7), as
// alternatives: q is the span of the search value.
func intervals(p fhir.Prefix, low, high, now time.Time) []interval {
	eq := interval{startsFrom: &low, endsBy: &high}
	gt, lt := interval{endsAfter: &high}, interval{startsBefore: &low}
	switch p {
	case fhir.NE:
		return []interval{lt, gt}
	case fhir.GT:
		return []interval{gt}
	case fhir.LT:
		return []interval{lt}
	case fhir.GE:
		return []interval{gt, eq}
	case fhir.LE:
		return []interval{lt, eq}
	case fhir.SA:
		return []interval{{startsFrom: &high}}
	case fhir.EB:
		return []interval{{endsBy: &low}}
	case fhir.Overlaps:
		return []interval{{startsBefore: &high, endsAfter: &low}}
	case fhir.Contains:
		return []interval{{startsBefore: ptr(low.Add(1)), endsAfter: ptr(high.Add(-1))}}
	case fhir.AP:
		gap := now.Sub(low) / 10
		if gap < 0 {
			gap = -gap
		}
		l, h := low.Add(-gap), high.Add(gap)
		return []interval{{startsBefore: &h, endsAfter: &l}}
	}
	return []interval{eq}
}

// within holds where the value's span satisfies one of the intervals.
func (m *moment) within(ivs []interval) cond {
	if m.text {
		return m.textWithin(ivs)
	}
	var out []cond
	for _, iv := range ivs {
		out = append(out, exactly{m.dateWithin(iv)})
	}
	return some(out...)
}

// dateWithin turns a condition on the written span into one on the BSON date:
// a date-time spans its second or, where it has milliseconds, its millisecond.
func (m *moment) dateWithin(iv interval) store.Filter {
	if m.day {
		return m.dayWithin(iv)
	}
	low, high := iv.startsFrom, iv.startsBefore
	var also, except []time.Time // whole seconds that the range gets wrong
	if x := iv.endsBy; x != nil {
		end := m.lastBefore(*x)
		if high == nil || end.Before(*high) {
			high = &end
		}
		if s := x.Truncate(time.Second); !m.millis && !s.Equal(*x) {
			except = append(except, s)
		}
	}
	if x := iv.endsAfter; x != nil {
		end := m.lastBefore(*x)
		if low == nil || end.After(*low) {
			low = &end
		}
		if s := x.Truncate(time.Second); !m.millis && !s.Equal(*x) && iv.inside(s) {
			also = append(also, s)
		}
	}
	f := m.span(low, high)
	for _, s := range except {
		f = conjunction([]store.Filter{f, store.Not{Filter: store.Eq{Path: m.path, Value: store.V(s)}}})
	}
	for _, s := range also {
		f = disjunction([]store.Filter{f, m.span(&s, ptr(s.Add(time.Millisecond)))})
	}
	return f
}

// inside reports whether a date at t has the right start.
func (iv interval) inside(t time.Time) bool {
	return (iv.startsFrom == nil || !t.Before(*iv.startsFrom)) && (iv.startsBefore == nil || t.Before(*iv.startsBefore))
}

// lastBefore gives x such that a date of one millisecond ends by end exactly
// when it is before x.
func (m *moment) lastBefore(end time.Time) time.Time {
	return end.Truncate(time.Millisecond)
}

// dayWithin is dateWithin for values that are written as a day.
func (m *moment) dayWithin(iv interval) store.Filter {
	var low, high *time.Time
	if iv.startsFrom != nil {
		low = ptr(m.startOf(m.dayFrom(*iv.startsFrom)))
	}
	if iv.startsBefore != nil {
		high = ptr(m.startOf(m.dayFrom(*iv.startsBefore)))
	}
	if iv.endsBy != nil {
		if t := m.startOf(m.dayUntil(*iv.endsBy)); high == nil || t.Before(*high) {
			high = &t
		}
	}
	if iv.endsAfter != nil {
		if t := m.startOf(m.dayUntil(*iv.endsAfter)); low == nil || t.After(*low) {
			low = &t
		}
	}
	return m.span(low, high)
}

// dayFrom is the first day that starts at or after x, as search sees days.
func (m *moment) dayFrom(x time.Time) time.Time {
	y, mo, d := x.In(m.loc).Date()
	if day := time.Date(y, mo, d, 0, 0, 0, 0, m.loc); day.Before(x) {
		return time.Date(y, mo, d+1, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(y, mo, d, 0, 0, 0, 0, time.UTC)
}

// dayUntil is the first day that does not end by x.
func (m *moment) dayUntil(x time.Time) time.Time {
	y, mo, d := x.In(m.loc).Date()
	return time.Date(y, mo, d, 0, 0, 0, 0, time.UTC)
}

// startOf is the first moment that is shown as the calendar day.
func (m *moment) startOf(day time.Time) time.Time {
	y, mo, d := day.Date()
	return time.Date(y, mo, d, 0, 0, 0, 0, m.zone)
}

// textWithin bounds date text by how it sorts: a shorter date comes before all
// that it spans. Text with offsets may sort up to a day from where it belongs.
func (m *moment) textWithin(ivs []interval) cond {
	test := m.textTest(func(low, high time.Time) bool {
		for _, iv := range ivs {
			if iv.holds(low, high) {
				return true
			}
		}
		return false
	})
	var bounds []store.Filter
	for _, iv := range ivs {
		bounds = append(bounds, m.textBounds(iv))
	}
	return roughly{disjunction(bounds), test}
}

func (m *moment) textBounds(iv interval) store.Filter {
	const slack = 48 * time.Hour
	first, last := years()
	low, high := any(nil), any(nil)
	if x := earliest(iv.startsFrom, iv.endsAfter); x != nil && x.After(first.Add(slack)) {
		low = x.Add(-slack).UTC().Format("2006")
		if iv.endsAfter == nil {
			low = m.textFrom(x.Add(-slack))
		}
	}
	if x := earliest(iv.startsBefore, iv.endsBy); x != nil && x.Before(last.Add(-slack)) {
		high = x.Add(slack).UTC().Format(dayLayout)
	}
	if low == nil && high == nil {
		return m.ref.text()
	}
	return m.between(low, high)
}

// textFrom is where dates that start at x or later begin in the order of text.
func (m *moment) textFrom(x time.Time) string {
	switch x = x.UTC(); {
	case x.Day() > 1:
		return x.Format(dayLayout)
	case x.Month() > 1:
		return x.Format("2006-01")
	}
	return x.Format("2006")
}

func earliest(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// textTest applies a test to the span of what append makes of date text.
func (m *moment) textTest(test func(low, high time.Time) bool) func(store.Doc) bool {
	return func(doc store.Doc) bool {
		written, ok := m.append(nil, store.Lookup(doc, m.path))
		if !ok {
			return false
		}
		d, err := fhir.ParseDate(string(written[1 : len(written)-1]))
		return err == nil && test(d.Range(m.loc))
	}
}

func ptr[T any](v T) *T { return &v }
