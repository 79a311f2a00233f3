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
// but for eq and ap against spans of any length, whose two ends stand in two entries.
func (c *compiler) date(p *param, prefix fhir.Prefix, d fhir.Date) Plan {
	low, high := d.Range(c.loc)
	if prefix == fhir.AP {
		slack := c.Now.Sub(low).Abs() / 10
		low, high = low.Add(-slack), high.Add(slack)
	}
	var any store.Or
	for _, class := range classes {
		for _, s := range class.starts(prefix, low, high, c.loc) {
			if s.from < s.to {
				any = append(any, c.stretch(p.code+string(rune(class)), s))
			}
		}
	}
	where, exact := c.free(p, prefix, ceilMilli(low), ceilMilli(high))
	return Plan{append(any, where...), exact}
}

func (c *compiler) stretch(code string, s stretch) store.Filter {
	return c.between(code+millis(max(s.from, firstMilli)), code+millis(min(s.to, lastMilli)))
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
	return []stretch{{endsByLow, h}} // ap: the spans overlap
}

// free gives the same for spans of any length, by either end.
func (c *compiler) free(p *param, prefix fhir.Prefix, low, high int64) (any []store.Filter, exact bool) {
	start := func(s stretch) store.Filter { return c.stretch(p.code+string(rune(classAny)), s) }
	finish := func(s stretch) store.Filter { return c.stretch(p.code+"w", s) }
	after, before := func(t int64) stretch { return stretch{t, lastMilli} }, func(t int64) stretch { return stretch{firstMilli, t} }
	switch prefix {
	case "", fhir.EQ:
		return []store.Filter{start(stretch{low, high})}, false
	case fhir.NE:
		return []store.Filter{start(before(low)), finish(after(high + 1))}, true
	case fhir.SA:
		return []store.Filter{start(after(high))}, true
	case fhir.EB:
		return []store.Filter{finish(before(low + 1))}, true
	case fhir.GT:
		return []store.Filter{finish(after(high + 1))}, true
	case fhir.LT:
		return []store.Filter{start(before(low))}, true
	case fhir.GE:
		return []store.Filter{start(after(low)), finish(after(high + 1))}, true
	case fhir.LE:
		return []store.Filter{start(before(low)), finish(before(high + 1))}, true
	}
	return []store.Filter{start(before(high))}, false
}
