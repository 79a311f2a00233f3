package chartmap_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/schema"
	"github.com/portico-fhir/portico/store"
)

// TestOldVersionsAreThoseThatTheEHRKeeps gives the demo clinic a collection of what
// Amy Shaw's document was before.
func TestOldVersionsAreThoseThatTheEHRKeeps(t *testing.T) {
	t.Parallel()
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := changedChart(t, "  compartment: { Patient: _id }", "  compartment: { Patient: _id }\n  history: { from: patients_old, key: pid }")
			var ops []store.Op
			for _, op := range clinicOps(t) {
				if id, _ := store.ID(op.Doc).StringValueOK(); op.Collection == "patients" && strings.HasSuffix(id, "-shaw") {
					ops = append(ops, op)
				}
			}
			for i, name := range []string{"Doe", "Roe"} {
				doc, err := bson.Marshal(bson.D{
					{Key: "_id", Value: i},
					{Key: "pid", Value: "amy-shaw"},
					{Key: "name", Value: bson.D{{Key: "last", Value: name}}},
					{Key: "rev", Value: i + 1},
					{Key: "upd", Value: time.Date(2025, time.Month(i+1), 1, 0, 0, 0, 0, time.UTC)},
				})
				if err != nil {
					t.Fatal(err)
				}
				ops = append(ops, store.Op{Kind: store.Insert, Collection: "patients_old", Doc: doc})
			}
			r := repositoryWith(t, open, m, ops)
			if source := r.Describe("Patient").Source; !strings.Contains(source, "Old versions are those that the EHR keeps") {
				t.Error(source)
			}
			amy := fhir.Key{Type: "Patient", ID: "amy-shaw"}
			for version, name := range map[string]string{"1": `"Doe"`, "2": `"Roe"`, "3": `"Shaw"`} {
				res, err := r.Version(t.Context(), amy, version)
				if err != nil || res.Version != version || res.Key != amy || !strings.Contains(string(res.Body), name) {
					t.Errorf("version %s: %s, %v", version, res.Body, err)
				}
				if _, err := (&schema.Validator{}).Validate(res.Body, "Patient"); err != nil {
					t.Errorf("version %s: %v", version, err)
				}
			}
			for _, none := range []string{"4", "x", "-b", strings.Repeat("9", 64)} {
				_, err := r.Version(t.Context(), amy, none)
				wantCode(t, err, fhir.CodeNotFound)
			}
			tom := fhir.Key{Type: "Patient", ID: "tom-shaw"}
			if got := versionsOf(t, r, fhir.HistoryQuery{Key: tom, Count: 9}); len(got) != 1 {
				t.Errorf("of another: %v", got)
			}
			at, err := fhir.ParseDate("2025-01-15")
			if err != nil {
				t.Fatal(err)
			}
			before, err := fhir.ParseDate("2024")
			if err != nil {
				t.Fatal(err)
			}
			for claim, tt := range map[string]struct {
				q    fhir.HistoryQuery
				want []string
			}{
				"all":                {fhir.HistoryQuery{}, []string{"3", "2", "1"}},
				"the oldest first":   {fhir.HistoryQuery{Oldest: true}, []string{"1", "2", "3"}},
				"since":              {fhir.HistoryQuery{Since: time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC)}, []string{"3", "2"}},
				"current at a time ": {fhir.HistoryQuery{At: &at}, []string{"1"}},
			} {
				for _, count := range []int{1, 2, 9} {
					q := tt.q
					q.Key, q.Count = amy, count
					if diff := cmp.Diff(tt.want, versionsOf(t, r, q)); diff != "" {
						t.Errorf("%s, by %d: %s", claim, count, diff)
					}
				}
			}
			_, err = r.History(t.Context(), fhir.HistoryQuery{Key: amy, Count: 9, At: &before})
			wantCode(t, err, fhir.CodeNotSupported)
			_, err = r.History(t.Context(), fhir.HistoryQuery{Key: amy, Count: 9, Cursor: "77"})
			wantCode(t, err, fhir.CodeInvalid)
		})
	}
}

// versionsOf pages through a history.
func versionsOf(t *testing.T, r *chartmap.Repository, q fhir.HistoryQuery) []string {
	t.Helper()
	var out []string
	for {
		page, err := r.History(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range page.Resources {
			if n, err := strconv.Atoi(res.Version); err != nil || n < 1 {
				t.Errorf("version %q", res.Version)
			}
			out = append(out, res.Version)
		}
		if page.Next == "" {
			return out
		}
		q.Cursor = page.Next
	}
}
