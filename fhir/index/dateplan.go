package index

import (
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/store"
)

// stretch is a half-open range of milliseconds.
type stretch struct{ from, to int64 }

// The ends of what a key can hold.
var (
	firstMilli = minTime.AddDate(-1, 0, 0).UnixMilli()
	lastMilli  = maxTime.AddDate(1, 0, 0).UnixMilli()
)

// date narrows to the spans that satisfy the prefix (R4 3.1.1.4.3). It is exact
// but for eq, ap and Overlaps against spans of any length, whose two ends stand in two entries,
// and for Contains.
func (c *compiler) date(p *param, prefix fhir.Prefix, d fhir.Date) Plan {
	low, high := d.Range(c.loc)
	if prefix == fhir.AP {
		slack := c.Now.Sub(low).Abs() / 10
		low, high = low.Add(-slack), high.Add(slack)
	}
	walk := &Walk{Desc: true}
	for _, class := range classes {
		for _, s := range class.starts(prefix, low, high, c.loc) {
			walk.add(p.code+string(rune(class)), s)
		}
	}
	starts, ends, exact := free(prefix, ceilMilli(low), ceilMilli(high))
	for _, s := range starts {
		walk.add(p.code+string(rune(classAny)), s)
	}
	var any, rest store.Or
	for _, s := range walk.Stretches {
		any = append(any, c.between(s.Prefix+s.Low, s.Prefix+s.High))
	}
	for _, s := range ends {
		rest = append(rest, c.between(p.code+"w"+millis(max(s.from, firstMilli)), p.code+"w"+millis(min(s.to, lastMilli))))
	}
	if len(rest) > 0 {
		walk.Rest = rest
	}
	return Plan{Where: append(any, rest...), Exact: exact, Walk: walk}
}

// add adds the stretch of the entries that start with code.
func (w *Walk) add(code string, s stretch) {
	if s.from < s.to {
		w.Stretches = append(w.Stretches, store.Stretch{Prefix: code, Low: millis(max(s.from, firstMilli)), High: millis(min(s.to, lastMilli))})
	}
}

// ceilMilli gives the first whole millisecond not before t: starts and ends are
// whole.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

// starts gives where the spans of a class that satisfy the prefix start.
func (c class) starts(prefix fhir.Prefix, low, high time.Time, loc *time.Location) []stretch {
	l, h := ceilMilli(low), ceilMilli(high)
	endsByLow, endsByHigh := c.lastStart(low, loc)+1, c.lastStart(high, loc)+1
	switch prefix {
	case "", fhir.EQ:
		return []stretch{{l, endsByHigh}}
	case fhir.NE:
		return []stretch{{firstMilli, l}, {max(l, endsByHigh), lastMilli}}
	case fhir.SA:
		return []stretch{{h, lastMilli}}
	case fhir.EB:
		return []stretch{{firstMilli, endsByLow}}
	case fhir.GT:
		return []stretch{{endsByHigh, lastMilli}}
	case fhir.LT:
		return []stretch{{firstMilli, l}}
	case fhir.GE:
		return []stretch{{min(l, endsByHigh), lastMilli}}
	case fhir.LE:
		return []stretch{{firstMilli, max(l, endsByHigh)}}
	}
	return []stretch{{endsByLow, h}} // ap and Overlaps; what Contains, overlaps
}

// free gives the starts, and the ends, of the spans of any length that satisfy the
// prefix.
func free(prefix fhir.Prefix, low, high int64) (starts, ends []stretch, exact bool) {
	after, before := func(t int64) []stretch { return []stretch{{t, lastMilli}} }, func(t int64) []stretch { return []stretch{{firstMilli, t}} }
	switch prefix {
	case "", fhir.EQ:
		return []stretch{{low, high}}, nil, false
	case fhir.NE:
		return before(low), after(high + 1), true
	case fhir.SA:
		return after(high), nil, true
	case fhir.EB:
		return nil, before(low + 1), true
	case fhir.GT:
		return nil, after(high + 1), true
	case fhir.LT:
		return before(low), nil, true
	case fhir.GE:
		return after(low), after(high + 1), true
	case fhir.LE:
		return before(low), before(high + 1), true
	}
	return before(high), nil, false
}
