package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/testdata/clinic"
)

// What a chart map says of labels, histories and numbers is what a client sees and reads in the
// CapabilityStatement.
func TestLabelsHistoriesAndNumbersOfAChartMap(t *testing.T) {
	t.Parallel()
	chart := strings.NewReplacer(
		"  compartment: { Patient: _id }\n", "  compartment: { Patient: _id }\n  history: { from: patients_old, key: pid }\n  labels: { PSY: { _id: amy-shaw } }\n",
		"  onCreate: { st: RQ }\n", "  onCreate: { st: RQ, no: { $counter: { from: counters, id: rx, field: n } } }\n  newId: { $counter: { from: counters, id: rx, field: n, prefix: RX-, digits: 4 } }\n",
	).Replace(string(clinic.ChartMap()))
	path := filepath.Join(t.TempDir(), "chart.yaml")
	if err := os.WriteFile(path, []byte(chart), 0o600); err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	c := clinicConfig(authOff)
	c.Chart = path
	handler := wired(t, c, st).Handler()
	insert := func(collection string, d bson.D) {
		t.Helper()
		doc, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: clinic.Database + "." + collection, Doc: doc}}); err != nil {
			t.Fatal(err)
		}
	}
	insert("patients_old", bson.D{{Key: "_id", Value: 1}, {Key: "pid", Value: "amy-shaw"}, {Key: "rev", Value: 1}, {Key: "upd", Value: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)}, {Key: "sex", Value: "F"}})
	insert("counters", bson.D{{Key: "_id", Value: "rx"}, {Key: "n", Value: 16}})
	const refill = `{"resourceType":"MedicationRequest","status":"active","intent":"proposal","subject":{"reference":"Patient/amy-shaw"},"requester":{"reference":"Patient/amy-shaw"},"medicationCodeableConcept":{"text":"Levotyroksin"}}`
	for _, tt := range []struct {
		method, path, body string
		status             int
		want, not          string
	}{
		{"GET", "Patient/amy-shaw", "", 200, `"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]`, ""},
		{"GET", "Patient?_security=PSY&_total=accurate", "", 200, `"total":1`, ""},
		{"GET", "Observation?_security=PSY", "", 400, "_security", ""}, // the map of Observation has no labels
		{"GET", "Patient/_history?_sort=_lastUpdated&_count=1", "", 200, `"versionId":"1"`, "tom-shaw"},
		{"GET", "_history?_sort=_lastUpdated&_count=1", "", 200, `"versionId":"1"`, "tom-shaw"},
		{"GET", "Patient/amy-shaw/_history", "", 200, `"total":2`, ""},
		{"GET", "Observation/_history", "", 405, "", ""},
		{"POST", "MedicationRequest", refill, 201, `"id":"RX-0017"`, ""},
		{"POST", "MedicationRequest", refill, 201, `"id":"RX-0019"`, ""}, // each takes two: its key, and its number
		{"GET", "MedicationRequest/RX-0017", "", 200, "Levotyroksin", ""},
		{"POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"POST","url":"MedicationRequest"},"resource":` + refill + `}]}`, 400, "can only be created alone", ""},
	} {
		w := asked(t, handler, tt.method, tt.path, tt.body)
		said := w.Body.String()
		if w.Code != tt.status || !strings.Contains(said, tt.want) || tt.not != "" && strings.Contains(said, tt.not) {
			t.Errorf("%s %s gives %d and %.600s; want %d and %s", tt.method, tt.path, w.Code, said, tt.status, tt.want)
		}
	}
}
