package chartmap_test

import (
	"errors"
	"testing"

	"github.com/portico-fhir/portico/fhir"
)

// FuzzWrite writes anything over resources of the demo clinic, valid or not. Whatever it
// is, it is refused in words for the client, or read back.
func FuzzWrite(f *testing.F) {
	r := clinicOf(f)
	keys := []fhir.Key{
		{Type: "Patient", ID: "amy-shaw"},
		{Type: "Appointment", ID: booked},
		{Type: "Observation", ID: visit + "-bp"},
		{Type: "MedicationRequest", ID: order},
		{Type: "Communication", ID: unread},
	}
	for i, key := range keys {
		f.Add(i, []byte(must(r.Read(f.Context(), key)).Body))
	}
	f.Add(0, []byte(`{"name":[null,{"given":[null,"x"],"_given":[{"id":"1"},null]}],"telecom":{"system":1},"meta":[],"_birthDate":3,"text":[]}`))
	f.Add(1, []byte(`{"participant":[[],{"actor":[]},{"actor":{"reference":{}}}],"start":1,"end":"2026"}`))
	f.Fuzz(func(t *testing.T, i int, body []byte) {
		key := keys[uint(i)%uint(len(keys))]
		for _, c := range []fhir.Change{{Method: fhir.Put, Key: key, Body: body}, {Method: fhir.Create, Key: fhir.Key{Type: key.Type}, Body: body}} {
			results, err := r.Commit(t.Context(), []fhir.Change{c})
			var told *fhir.Error
			switch {
			case err != nil && !errors.As(err, &told):
				t.Fatalf("%v", err)
			case err == nil:
				if _, err := r.Read(t.Context(), results[0].Resource.Key); err != nil {
					t.Fatalf("written, and then: %v", err)
				}
			}
		}
	})
}
