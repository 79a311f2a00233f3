package search

import (
	"math"
	"strconv"

	"github.com/portico-fhir/portico/fhir"
)

// defaultNear is how far is near when the client does not say, in metres.
const defaultNear = 50_000

// metersIn gives the length of the units of UCUM in which a distance can be
// told. The US survey's are those of its definition, 1200/3937 m to a foot.
func metersIn(unit string) (float64, bool) {
	m, ok := map[string]float64{
		"m": 1, "km": 1000, "cm": 0.01, "mm": 0.001,
		"[ft_i]": 0.3048, "[yd_i]": 0.9144, "[mi_i]": 1609.344, "[nmi_i]": 1852,
		"[ft_us]": 1200.0 / 3937, "[yd_us]": 3600.0 / 3937, "[mi_us]": 6336000.0 / 3937,
	}[unit]
	return m, ok
}

// nearValue reads latitude|longitude|distance|units, the last two of which may be
// left out (R4 Location, near).
func nearValue(s string) (fhir.Value, string) {
	const form = "A place is written latitude|longitude|distance|units, in degrees; without units the distance is in km, without a distance it is 50 km."
	parts := splitEscaped(s, '|')
	if len(parts) < 2 || len(parts) > 4 {
		return nil, form
	}
	for len(parts) < 4 {
		parts = append(parts, "")
	}
	lat, okLat := plainNumber(parts[0])
	long, okLong := plainNumber(parts[1])
	switch {
	case !okLat || !okLong:
		return nil, form
	case math.Abs(lat) > 90 || math.Abs(long) > 180:
		return nil, "The latitude is -90 to 90 degrees, the longitude -180 to 180."
	}
	v := fhir.NearValue{Latitude: lat, Longitude: long, Meters: defaultNear}
	if parts[2] == "" {
		return v, "" // then units are irrelevant
	}
	distance, ok := plainNumber(parts[2])
	if !ok || distance < 0 {
		return nil, form
	}
	unit, ok := metersIn(parts[3])
	switch {
	case parts[3] == "":
		unit = 1000
	case !ok:
		return nil, "The units of the distance are km, m, cm, mm, [mi_i], [mi_us], [nmi_i], [yd_i], [yd_us], [ft_i] or [ft_us] of UCUM."
	}
	v.Meters = distance * unit
	return v, ""
}

// plainNumber reads a decimal as FHIR writes them.
func plainNumber(s string) (float64, bool) {
	if _, ok := Number(s); !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}
