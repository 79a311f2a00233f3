package chartmap_test

import (
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestTheResourcesOfADocumentAreNamed is what changes in the EHR are told by.
func TestTheResourcesOfADocumentAreNamed(t *testing.T) {
	t.Parallel()
	m := views(t)
	for _, tt := range []struct {
		collection string
		doc        bson.D
		want       []string
	}{
		{
			"people", append(sick("amy", problem(int32(2), "I10"), "text", problem("x-1", "E11.9")),
				bson.E{Key: "allergies", Value: bson.A{"a"}}, bson.E{Key: "visits", Value: bson.A{bson.D{{Key: "id", Value: 7}}}}),
			[]string{"Condition/amy-dx-2", "Condition/amy-dx-.sx.2d1", "AllergyIntolerance/amy-al-a", "Observation/amy-v-7-hr", "Observation/amy-v-7-wt"},
		},
		{"rows", row("a", int32(7), bson.E{Key: "day", Value: "d1"}), []string{"Observation/a", "DiagnosticReport/7", "Encounter/d1-lab", "Encounter/d1-ward"}},
		{"people", bson.D{{Key: "_id", Value: "amy"}}, nil}, // what a deleted one had is not known
	} {
		raw, err := bson.Marshal(tt.doc)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, key := range m.Keys("clinic."+tt.collection, raw) {
			got = append(got, key.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v is %v, want %v", tt.doc, got, tt.want)
		}
	}
	stamps := map[string]string{"problem": "", "complaint": "upd", "report": "upd", "day": ""}
	for _, mp := range m.Maps {
		if want, ok := stamps[mp.Name]; ok && mp.Stamp() != want {
			t.Errorf("%s is polled by %q", mp.Name, mp.Stamp())
		}
	}
}
