package chartmap_test

import (
	"bytes"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/store/sqlite"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// BenchmarkRead compares a resource of the EHR, with and without something beside it, and for the first
// time, with the same one as a record.
func BenchmarkRead(b *testing.B) {
	st, err := sqlite.Open(b.TempDir(), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	fill(b, st)
	mapped, records := &chartmap.Repository{Store: st, Map: demo(b), Now: clinic.Today}, &record.Repository{Store: st}
	res, err := mapped.Read(b.Context(), patientID)
	if err != nil {
		b.Fatal(err)
	}
	more := append(bytes.TrimSuffix(bytes.Clone(res.Body), []byte("}")), `,"language":"nb"}`...)
	amy := fhir.Key{Type: "Patient", ID: "amy-shaw"}
	put(b, mapped, patientID, more)
	if _, err := records.Commit(b.Context(), []fhir.Change{{Method: fhir.Put, Key: patientID, Body: res.Body}}); err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		repo fhir.Repository
		key  fhir.Key
	}{
		{"record", records, patientID},
		{"mapped", mapped, amy},
		{"mapped and more", mapped, patientID},
		{"mapped, read only", mapped, fhir.Key{Type: "Practitioner", ID: "dr-okafor"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := bench.repo.Read(b.Context(), bench.key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("mapped, for the first time", func(b *testing.B) {
		for b.Loop() {
			if _, err := (&chartmap.Repository{Store: st, Map: mapped.Map}).Read(b.Context(), amy); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("update", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			body := more
			if i%2 == 0 {
				body = res.Body
			}
			put(b, mapped, patientID, body)
		}
	})
}
