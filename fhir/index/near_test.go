package index

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDistances(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b point
		want float64 // metres
	}{
		{point{0, 0}, point{0, 0}, 0},
		{point{0, 0}, point{0, 180}, math.Pi * earth},
		{point{90, 0}, point{-90, 77}, math.Pi * earth},
		{point{90, 12}, point{90, -50}, 0},
		{point{0, 179.5}, point{0, -179.5}, earth * math.Pi / 180},
		{point{59.9139, 10.7522}, point{60.3913, 5.3221}, 305_000},
	} {
		if got := tt.a.distance(tt.b); math.Abs(got-tt.want) > 1000 {
			t.Errorf("%v to %v is %.0f m, want %.0f", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestG7_17_TheCoverHoldsWhatIsNear(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		place := func(name string) point {
			lat := rapid.OneOf(rapid.Float64Range(-90, 90), rapid.SampledFrom([]float64{-90, 90, 0, 89.999, -89.999, 45})).Draw(t, name+" latitude")
			long := rapid.OneOf(rapid.Float64Range(-180, 180), rapid.SampledFrom([]float64{-180, 180, 0, 179.999, -179.999, 45})).Draw(t, name+" longitude")
			return point{lat, long}
		}
		p := place("center")
		q := p
		// Something near, now and then something far.
		size := rapid.SampledFrom([]float64{0, 1e-6, 1e-3, 0.1, 3, 400}).Draw(t, "size")
		q.lat = min(max(q.lat+rapid.Float64Range(-size, size).Draw(t, "north"), -90), 90)
		q.long = math.Remainder(q.long+rapid.Float64Range(-size, size).Draw(t, "east"), 360)
		meters := p.distance(q) * rapid.SampledFrom([]float64{1, 1.01, 2, 10}).Draw(t, "radius")
		names := p.cover(meters)
		if len(names) > maxCells {
			t.Fatalf("%d cells", len(names))
		}
		cell := q.cell()
		if names != nil && !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(cell, name) }) {
			t.Fatalf("%v is %.0f m from %v, but its cell %s is not among %v", q, meters, p, cell, names)
		}
	})
}

func TestACoverIsNotMuchLargerThanTheCircle(t *testing.T) {
	t.Parallel()
	for _, p := range []point{{0, 0}, {59.9, 10.7}, {-33, 151}, {-18, 180}} {
		for _, meters := range []float64{10, 1000, 50_000} {
			cell := gridOf(len(p.cover(meters)[0]))
			height := math.Pi * earth / float64(cell.rows)
			width := 2 * math.Pi * earth * math.Cos(p.lat*math.Pi/180) / float64(cell.columns)
			area := height * width * float64(len(p.cover(meters)))
			if most := 20 * math.Pi * meters * meters; area > most+4*height*width {
				t.Errorf("%v within %.0f m: %.0f m² are looked at, for %.0f", p, meters, area, math.Pi*meters*meters)
			}
		}
	}
}
