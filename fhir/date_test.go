package fhir_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestDateRange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		claim     string
		in        string
		loc       string
		low, high string
		precision fhir.Precision
		hasZone   bool
	}{
		{"a year", "2024", "UTC", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", fhir.PrecisionYear, false},
		{"a month", "2024-12", "UTC", "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z", fhir.PrecisionMonth, false},
		{"February of a leap year", "2024-02", "UTC", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", fhir.PrecisionMonth, false},
		{"a day", "2024-02-28", "UTC", "2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z", fhir.PrecisionDay, false},
		{"a leap day", "2024-02-29", "UTC", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z", fhir.PrecisionDay, false},
		{"a leap day of a century", "2000-02-29", "UTC", "2000-02-29T00:00:00Z", "2000-03-01T00:00:00Z", fhir.PrecisionDay, false},
		{"a minute", "2024-05-01T10:30Z", "Europe/Berlin", "2024-05-01T10:30:00Z", "2024-05-01T10:31:00Z", fhir.PrecisionMinute, true},
		{"a second", "2024-05-01T10:30:15Z", "Europe/Berlin", "2024-05-01T10:30:15Z", "2024-05-01T10:30:16Z", fhir.PrecisionSecond, true},
		{"a leap second", "2016-12-31T23:59:60Z", "UTC", "2017-01-01T00:00:00Z", "2017-01-01T00:00:01Z", fhir.PrecisionSecond, true},
		{"a tenth", "2024-05-01T10:30:15.1Z", "UTC", "2024-05-01T10:30:15.1Z", "2024-05-01T10:30:15.2Z", fhir.PrecisionFraction, true},
		{"a millisecond", "2024-05-01T10:30:15.120Z", "UTC", "2024-05-01T10:30:15.12Z", "2024-05-01T10:30:15.121Z", fhir.PrecisionFraction, true},
		{"more digits than nanoseconds", "2024-05-01T10:30:15.0000000019Z", "UTC", "2024-05-01T10:30:15.000000001Z", "2024-05-01T10:30:15.000000002Z", fhir.PrecisionFraction, true},
		{"a zone ahead", "2024-05-01T00:30:00+05:30", "UTC", "2024-04-30T19:00:00Z", "2024-04-30T19:00:01Z", fhir.PrecisionSecond, true},
		{"a zone behind", "2024-05-01T23:30:00-04:00", "UTC", "2024-05-02T03:30:00Z", "2024-05-02T03:30:01Z", fhir.PrecisionSecond, true},
		{"the farthest zone", "2024-05-01T00:00:00+14:00", "UTC", "2024-04-30T10:00:00Z", "2024-04-30T10:00:01Z", fhir.PrecisionSecond, true},
		{"the zone of the date wins over the local one", "2024-05-01T00:00:00Z", "America/New_York", "2024-05-01T00:00:00Z", "2024-05-01T00:00:01Z", fhir.PrecisionSecond, true},
		{"a local day", "2024-05-01", "America/New_York", "2024-05-01T04:00:00Z", "2024-05-02T04:00:00Z", fhir.PrecisionDay, false},
		{"a local time", "2024-05-01T10:00:00", "America/New_York", "2024-05-01T14:00:00Z", "2024-05-01T14:00:01Z", fhir.PrecisionSecond, false},
		{"the 23 hours of a day in spring", "2024-03-31", "Europe/Berlin", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z", fhir.PrecisionDay, false},
		{"the 25 hours of a day in autumn", "2024-10-27", "Europe/Berlin", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z", fhir.PrecisionDay, false},
		{"a month over a change of clocks", "2024-03", "Europe/Berlin", "2024-02-29T23:00:00Z", "2024-03-31T22:00:00Z", fhir.PrecisionMonth, false},
		{"a day without a midnight starts when it starts", "2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z", fhir.PrecisionDay, false},
		{"the day before it ends there", "2018-11-03", "America/Sao_Paulo", "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z", fhir.PrecisionDay, false},
		{"a day that a country left out is empty", "2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", fhir.PrecisionDay, false},
		{"the first year", "0001", "UTC", "0001-01-01T00:00:00Z", "0002-01-01T00:00:00Z", fhir.PrecisionYear, false},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			d, err := fhir.ParseDate(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if d.Precision != tt.precision || d.HasZone != tt.hasZone {
				t.Errorf("precision %v, zone %v; want %v, %v", d.Precision, d.HasZone, tt.precision, tt.hasZone)
			}
			low, high := d.Range(zone(t, tt.loc))
			if got := low.Format(time.RFC3339Nano); got != tt.low {
				t.Errorf("low %s, want %s", got, tt.low)
			}
			if got := high.Format(time.RFC3339Nano); got != tt.high {
				t.Errorf("high %s, want %s", got, tt.high)
			}
		})
	}
}

func TestParseDateRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "24", "202", "20245", "0000", "-2024", "+2024", "2024-", "2024-1", "2024-13", "2024-00", "2024-01-", "2024-01-1",
		"2024-01-00", "2024-01-32", "2024-04-31", "2023-02-29", "1900-02-29", "2024-01-01T", "2024-01-01T10", "2024-01-01T10Z",
		"2024-01-01T10:", "2024-01-01T24:00:00Z", "2024-01-01T10:60Z", "2024-01-01T10:00:61Z", "2024-01-01T10:00:00.Z",
		"2024-01-01T10:00:00z", "2024-01-01t10:00:00Z", "2024-01-01 10:00:00Z", "2024-01-01T10:00:00+1:00", "2024-01-01T10:00:00+0100",
		"2024-01-01T10:00:00+01", "2024-01-01T10:00:00+14:01", "2024-01-01T10:00:00+15:00", "2024-01-01T10:00:00+01:60",
		"2024-01-01T10:00:00Z ", " 2024", "2024Z", "2024-01-01Z", "２０２４", "2024-01-01T10:00:00,5Z",
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			if d, err := fhir.ParseDate(in); err == nil {
				t.Errorf("accepted as %+v", d)
			}
		})
	}
}

func TestFormatInstant(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 17, 30, 0, 125_999_999, zone(t, "Europe/Berlin"))
	if got, want := fhir.FormatInstant(at), "2026-11-22T16:30:00.125Z"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := fhir.FormatInstant(at.Truncate(time.Second)), "2026-11-22T16:30:00.000Z"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// dateGrammar is the regular expression of dateTime (R4 2.24.0.1), with the
// seconds optional as search allows (R4 3.1.1.4.5), the zone optional with a
// time, and without the calendar.
var dateGrammar = regexp.MustCompile(`^([0-9]{4})(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9](:([0-5][0-9]|60)(\.[0-9]+)?)?(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))?)?)?)?$`)

func FuzzParseDate(f *testing.F) {
	for _, s := range []string{"2024", "2024-02-29", "2024-05-01T10:30:15.120+05:30", "2023-02-29", "2024-01-01T10:00", "9999-12-31T23:59:60-14:00"} {
		f.Add(s)
	}
	loc := zone(f, "America/Sao_Paulo")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := fhir.ParseDate(s)
		if err != nil {
			return
		}
		if !dateGrammar.MatchString(s) {
			t.Fatalf("%q is accepted but not in the grammar", s)
		}
		for _, loc := range []*time.Location{time.UTC, loc} {
			low, high := d.Range(loc)
			if high.Before(low) || low.Location() != time.UTC || high.Location() != time.UTC {
				t.Fatalf("%q: range %v to %v", s, low, high)
			}
		}
	})
}
