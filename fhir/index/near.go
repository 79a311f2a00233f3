package index

import (
	"math"
	"slices"
	"strconv"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/path"
	"github.com/portico-fhir/portico/store"
)

// The search for what is near a place (R4 Location, near): positions have a cell
// of a grid as their entry, the finer the more characters are compared, as a geohash
// has it. A circle is covered with cells, and who is within shows by computing the
// distance.

// earth is the mean radius of the earth in metres: distances are those on a
// sphere, which differ from the ellipsoid's by at most half a percent.
const earth = 6_371_008.8

// Cells are written with cellLength characters of five bits; a cover has at most
// maxCells.
const (
	cellLength = 9
	cellDigits = "0123456789bcdefghjkmnpqrstuvwxyz"
	maxCells   = 24
)

// point is a position in degrees.
type point struct{ lat, long float64 }

// position reads a Location.position; ok is false where it is none on earth.
func position(it path.Item) (p point, ok bool) {
	lat, errLat := strconv.ParseFloat(it.Child("latitude"), 64)
	long, errLong := strconv.ParseFloat(it.Child("longitude"), 64)
	if errLat != nil || errLong != nil || math.Abs(lat) > 90 || math.Abs(long) > 180 {
		return point{}, false
	}
	return point{lat, long}, true
}

// distance is the length of the great circle between two points, in metres.
func (p point) distance(q point) float64 {
	const radian = math.Pi / 180
	lat, long := math.Sin((q.lat-p.lat)*radian/2), math.Sin((q.long-p.long)*radian/2)
	h := lat*lat + math.Cos(p.lat*radian)*math.Cos(q.lat*radian)*long*long
	return 2 * earth * math.Asin(math.Sqrt(min(h, 1)))
}

// grid numbers the cells whose names have n characters: columns from the
// antimeridian eastward, rows from the south pole.
type grid struct{ n, columns, rows int }

func gridOf(n int) grid { return grid{n, 1 << ((5*n + 1) / 2), 1 << (5 * n / 2)} }

func (g grid) column(long float64) int {
	c := int(math.Floor((long + 180) / 360 * float64(g.columns)))
	return ((c % g.columns) + g.columns) % g.columns
}

func (g grid) row(lat float64) int {
	return min(max(int(math.Floor((lat+90)/180*float64(g.rows))), 0), g.rows-1)
}

// name interleaves the bits of column and row.
func (g grid) name(column, row int) string {
	name := make([]byte, g.n)
	bits := 5 * g.n
	x, y := bits-bits/2, bits/2 // bits left of each
	for i := range name {
		digit := 0
		for b := range 5 {
			digit <<= 1
			if (5*i+b)%2 == 0 {
				x--
				digit |= column >> x & 1
			} else {
				y--
				digit |= row >> y & 1
			}
		}
		name[i] = cellDigits[digit]
	}
	return string(name)
}

// cell is the entry of a position.
func (p point) cell() string {
	g := gridOf(cellLength)
	return g.name(g.column(p.long), g.row(p.lat))
}

// cover gives the names of cells that together hold all points within meters of
// p: the finest that are few enough. nil stands for all.
func (p point) cover(meters float64) []string {
	angle := meters/earth*180/math.Pi + 1e-6 // a finger's breadth for rounding
	south, north := p.lat-angle, p.lat+angle
	width := 360.0
	if south > -90 && north < 90 {
		const radian = math.Pi / 180
		if s := math.Sin(angle*radian) / math.Cos(p.lat*radian); s < 1 {
			width = 2*math.Asin(s)/radian + 2e-6
		}
	}
	for n := cellLength; n > 0; n-- {
		g := gridOf(n)
		rows := g.row(north) - g.row(south) + 1
		columns := g.columns
		first := 0
		if width < 360 {
			first = g.column(p.long - width/2)
			columns = min((g.column(p.long+width/2)-first+g.columns)%g.columns+1, g.columns)
			if width > 360-360/float64(g.columns) {
				first, columns = 0, g.columns // both ends are in one cell
			}
		}
		if rows*columns > maxCells {
			continue
		}
		names := make([]string, 0, rows*columns)
		for c := range columns {
			for r := range rows {
				names = append(names, g.name((first+c)%g.columns, g.row(south)+r))
			}
		}
		slices.Sort(names)
		return names
	}
	return nil
}

// near narrows to the cells around a place.
func (c *compiler) near(p *param, v fhir.NearValue) Plan {
	var any store.Or
	for _, name := range (point{v.Latitude, v.Longitude}).cover(v.Meters) {
		any = append(any, c.prefix(p.code+name))
	}
	if any == nil {
		return c.maybe(p.code)
	}
	return Plan{Where: any}
}

// near tells whether a position is within the distance.
func (v *value) near(want fhir.NearValue) bool {
	return v.at != nil && v.at.distance(point{want.Latitude, want.Longitude}) <= want.Meters
}
