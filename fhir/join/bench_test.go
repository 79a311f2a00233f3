package join

import (
	"fmt"
	"testing"

	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store/sqlite"
)

// BenchmarkSearch runs joins over 2,000 patients with eight observations each.
func BenchmarkSearch(b *testing.B) {
	st, err := sqlite.Open(b.TempDir(), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	records := &record.Repository{Store: st, Base: base}
	for i := range 2000 {
		bodies := []string{fmt.Sprintf(`{"resourceType":"Patient","id":"p%d","gender":"%s","name":[{"family":"F%03d"}]}`, i, []string{"male", "female"}[i%2], i%200)}
		for j := range 8 {
			bodies = append(bodies, fmt.Sprintf(
				`{"resourceType":"Observation","id":"o%d-%d","status":"final","code":{"coding":[{"code":"c%d"}]},"subject":{"reference":"Patient/p%d"},"effectiveDateTime":"2020-01-%02d"}`,
				i, j, (i+j)%500, i, i%28+1))
		}
		put(b, records, bodies...)
	}
	r := &Repository{Inner: records, Base: base}
	for _, search := range []string{
		"Observation?patient.family=f001&_count=20",
		"Observation?patient=Patient/p7&patient.gender=female&_count=20",
		"Patient?_has:Observation:patient:code=c1&_count=20",
		"Patient?_id=p1&_has:Observation:patient:date=ge2019&_count=20",
		"Observation?code=c1&_include=Observation:patient&_count=20",
		"Patient?family=f001&_revinclude=Observation:patient&_count=20",
	} {
		b.Run(search, func(b *testing.B) {
			q := parseSearch(b, r.Describe, search)
			for b.Loop() {
				page, err := r.Search(b.Context(), q)
				if err != nil || len(page.Resources) == 0 {
					b.Fatal(page, err)
				}
			}
		})
	}
}
