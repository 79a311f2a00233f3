package chartmap_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

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

// FuzzWriteElement is the same for an element of an array: nothing of its neighbors may
// change.
func FuzzWriteElement(f *testing.F) {
	r := viewOf(f, map[string][]bson.D{"people": {sick("amy", problem(int32(2), "I10"), problem(int32(1), "E11.9"), problem("x-1", "J06.9"))}})
	key := fhir.Key{Type: "Condition", ID: "amy-dx-1"}
	others := []fhir.Key{{Type: "Condition", ID: "amy-dx-2"}, {Type: "Condition", ID: "amy-dx-.sx.2d1"}}
	before := make([]any, len(others))
	for i, o := range others {
		before[i] = content(f, must(r.Read(f.Context(), o)).Body)
	}
	f.Add([]byte(must(r.Read(f.Context(), key)).Body))
	f.Add([]byte(`{"resourceType":"Condition","id":"amy-dx-1","subject":{"reference":"Patient/amy"},"note":[{"text":"a"},{"time":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"subject":[],"code":{"coding":[null,{"code":1}]},"note":{"text":[]},"onsetDateTime":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		results, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: body}})
		var told *fhir.Error
		switch {
		case err != nil && !errors.As(err, &told):
			t.Fatalf("%v", err)
		case err == nil:
			if res, err := r.Read(t.Context(), key); err != nil || res.Version != results[0].Resource.Version {
				t.Fatalf("written, and then: %v, %v", res, err)
			}
		}
		for i, o := range others {
			if diff := cmp.Diff(before[i], any(content(t, must(r.Read(t.Context(), o)).Body))); diff != "" {
				t.Fatalf("%s changed:\n%s", o, diff)
			}
		}
	})
}
