package chartmap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/mongo/mongotest"
)

const customPatients = `
chartmap: 1
source: { database: clinic }
codes:
  sex: { system: "http://hl7.org/fhir/administrative-gender", map: { K: female, M: male, X: other } }
  mood: { system: "urn:mood", localSystem: "urn:local", map: { "1": low, "2": high, "3": low } }
maps:
- name: person
  resource: Patient
  from: persons
  where: { kind: person }
  id: _id
  elements:
    name: { $list1: { family: last } }
    active: { $from: gone, $as: not, $absent: true }
    <<: &person
     gender: { $from: sex, $codes: sex }
     birthDate: { $from: born, $as: date }
     address: { $list1: { city: town, postalCode: zip } }
     generalPractitioner: { $list1: { $ref: Practitioner, $from: doctor } }
     extension:
       $slots:
         - { url: {$const: "urn:mood"}, valueCodeableConcept: { $from: mood, $codes: mood, $as: concept } }
         - { url: {$const: "urn:friend"}, valueReference: { $ref: Patient, $from: friend } }
         - { url: {$const: "urn:seen"}, valueDateTime: { $from: seen, $as: dateTime } }
         - { url: {$const: "urn:weight"}, valueQuantity: { $quantity: kg, $unit: kg, $ucum: kg } }
         - { url: {$const: "urn:remark"}, valueString: remark }
         - { url: {$const: "urn:rank"}, valueInteger: { $from: rank, $as: int } }
         - { url: {$const: "urn:score"}, valueDecimal: { $from: score, $as: decimal } }
- name: animal
  resource: Patient
  from: animals
  id: _id
  fanout:
    - suffix: pet
      has: [kind]
      elements: { name: { $list1: { family: called } } }
  elements:
    <<: *person
    active: { $const: true }
`

// ownParameters are parameters that are not R4's, and whether the map answers them.
func ownParameters() map[*fhir.SearchParam]bool {
	own := func(name string, typ fhir.ParamType, expression string) *fhir.SearchParam {
		return &fhir.SearchParam{Name: name, URL: "urn:" + name, Type: typ, Base: []fhir.Type{"Patient"}, Expression: expression, Targets: []fhir.Type{"Patient"}}
	}
	return map[*fhir.SearchParam]bool{
		own("mood", fhir.ParamToken, "Patient.extension('urn:mood').value"):                                          true,
		own("mood-code", fhir.ParamToken, "Patient.extension.where(url = 'urn:mood').value.ofType(CodeableConcept)"): true,
		own("friend", fhir.ParamReference, "Patient.extension('urn:friend').value"):                                  true,
		own("seen", fhir.ParamDate, "Patient.extension('urn:seen').value"):                                           true,
		own("weight", fhir.ParamQuantity, "Patient.extension('urn:weight').value"):                                   true,
		own("remark", fhir.ParamString, "Patient.extension('urn:remark').value | Patient.address.city"):              true,
		own("zip", fhir.ParamString, "Patient.address.postalCode"):                                                   true,
		own("rank", fhir.ParamNumber, "Patient.extension('urn:rank').value"):                                         true,
		own("score", fhir.ParamNumber, "Patient.extension('urn:score').value.ofType(decimal)"):                       true,
		own("other", fhir.ParamToken, "Patient.extension('urn:other').value"):                                        false,
		own("married", fhir.ParamToken, "Patient.maritalStatus"):                                                     false,
		own("first", fhir.ParamString, "Patient.name.first().family"):                                                false,
		own("both", fhir.ParamComposite, "Patient.extension('urn:mood')"):                                            false,
	}
}

// persons are random documents of the two collections.
func persons(t testing.TB, r *rand.Rand, n int) []store.Op {
	t.Helper()
	var ops []store.Op
	one := func(all ...any) any { return all[r.IntN(len(all))] }
	for i := range n {
		d := bson.D{
			{Key: "_id", Value: fmt.Sprintf("p%02d", i)},
			{Key: "kind", Value: one("person", "person", "ghost")},
			{Key: "gone", Value: one(true, false, nil, "no")},
			{Key: "sex", Value: one("K", "M", "X", "?", nil)},
			{Key: "born", Value: one("1990-02-03", "1990-02", "1990", "x", nil)},
			{Key: "last", Value: one("Berg", "berg", "Åse", "Øst", "B", "", nil, 7)},
			{Key: "called", Value: one("Rex", "rex", nil)},
			{Key: "town", Value: one("Oslo", "Bergen", nil)},
			{Key: "zip", Value: one("0150", "5003", nil)},
			{Key: "doctor", Value: one("d1", "d2", nil)},
			{Key: "mood", Value: one("1", "2", "3", "zen", "a b", nil)},
			{Key: "friend", Value: one("p01", "p02", nil)},
			{Key: "seen", Value: one(bson.DateTime(1e12), bson.DateTime(1e12+500), bson.DateTime(2e11), nil, "x")},
			{Key: "kg", Value: one(70, 70.5, int64(7), nil, "x")},
			{Key: "remark", Value: one("so", "So", nil)},
			{Key: "rank", Value: one(1, int64(2), 3.0, 2.5, 2, "x", nil)},
			{Key: "score", Value: one(0.1, 1, 2.25, int64(3), "x", nil)},
		}
		d = slices.DeleteFunc(d, func(e bson.E) bool { return e.Key != "_id" && e.Key != "kind" && r.IntN(6) == 0 })
		ops = append(ops, store.Op{Kind: store.Insert, Collection: []string{"persons", "animals"}[r.IntN(2)], Doc: marshaled(t, d)})
	}
	return ops
}

func TestG7_20_ParametersOfOnesOwnLeadToTheEHRsFields(t *testing.T) {
	t.Parallel()
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := seedOf(t)
			m, err := chartmap.Load([]byte(customPatients), "c.yaml")
			if err != nil {
				t.Fatal(err)
			}
			n := 60
			if name == "mongo" && !mongotest.Real() {
				n = 20
			}
			r := repositoryWith(t, open, m, persons(t, rand.New(rand.NewPCG(seed, 0)), n))
			before := r.Describe("Patient")
			var others, answered []*fhir.SearchParam
			var unanswered []string
			for p, yes := range ownParameters() {
				if others = append(others, p); yes {
					answered = append(answered, p)
				} else {
					unanswered = append(unanswered, p.Name)
				}
			}
			r.Others = func(fhir.Type) ([]*fhir.SearchParam, []string) { return others, []string{"later"} }
			c := r.Describe("Patient")
			for _, p := range answered {
				if !slices.Contains(c.Params, p) {
					t.Errorf("%s is not answered", p.Name)
				}
			}
			slices.Sort(unanswered)
			slices.Sort(c.Unanswered)
			if diff := cmp.Diff(unanswered, c.Unanswered); diff != "" || len(c.Params) != len(before.Params)+len(answered) {
				t.Errorf("not answered:\n%s", diff)
			}
			for _, sortable := range []string{"active", "gender", "birthdate", "family", "address-city", "mood", "mood-code", "seen", "weight", "rank", "score", "zip"} {
				if !slices.Contains(c.Sortable, sortable) {
					t.Errorf("%s is not sorted by", sortable)
				}
			}
			for _, not := range []string{"friend", "general-practitioner", "remark", "address"} {
				if slices.Contains(c.Sortable, not) {
					t.Errorf("%s is sorted by", not)
				}
			}
			p := search.Parser{Describe: r.Describe, DefaultCount: 1, MaxCount: 1}
			for query, want := range map[string]string{"married": "no rule of the chart map", "later": "being indexed", "mod": `Did you mean "mood"`} {
				if _, err := p.Parse("Patient", []search.Pair{{Name: query, Value: "x"}}, false, ""); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v", query, err)
				}
			}
			o := newOracle(t, r, everything(t.Context(), t, r, fhir.Query{Type: "Patient", Count: 1000}))
			rapid.Check(t, func(rt *rapid.T) { o.compare(rt, r, "Patient", []int{1, 3, 7, 1000}) })
			r.Others = nil
			if after := r.Describe("Patient"); len(after.Params) != len(before.Params) {
				t.Errorf("without them there are still %d parameters", len(after.Params))
			}
		})
	}
}

func TestG7_13_TypesOfTheEHRAreSortedByTheirFields(t *testing.T) {
	t.Parallel()
	doc := func(id string, fields ...any) bson.D {
		d := bson.D{{Key: "_id", Value: id}, {Key: "kind", Value: "person"}}
		for i := 0; i < len(fields); i += 2 {
			d = append(d, bson.E{Key: fields[i].(string), Value: fields[i+1]})
		}
		return d
	}
	in := map[string][]bson.D{
		"persons": {
			doc("a", "sex", "M", "last", "Berg", "born", "1990-02-03", "kg", 70, "gone", true),
			doc("b", "sex", "K", "last", "berg", "born", "1990-02-03", "kg", 7.5),
			doc("c", "sex", "?", "last", "Aas", "kg", int64(700), "gone", false),
			doc("d", "sex", "K", "born", "1985"),
		},
		"animals": {
			doc("e", "sex", "X", "called", "Rex", "born", "2020", "kg", 0.5),
			doc("f", "sex", "K", "called", "Ape", "born", "1990-02-03"),
		},
	}
	tests := map[string]string{
		"family": "c f a e b d", "-family": "b e a f c d",
		"gender": "b d f a e c", "-gender": "e a f d b c",
		"birthdate": "d a b f e c", "-birthdate": "e f b a d c",
		"active": "a b c d e f", "-active": "f e d c b a",
		"weight": "e b a c d f", "-weight": "c a b e f d",
		"gender,weight": "b d f a e c", "gender,-weight,family": "b f d a e c", "-gender,family": "e a f b d c",
		"birthdate,gender": "d b f a e c", "birthdate,-gender,-family": "d a b f e c", "active,-weight": "a c b e f d",
		"_id": "a b c d e f", "-_id": "f e d c b a", "gender,-_id": "f d b a e c",
	}
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := chartmap.Load([]byte(customPatients), "c.yaml")
			if err != nil {
				t.Fatal(err)
			}
			var ops []store.Op
			for collection, docs := range in {
				for _, d := range docs {
					ops = append(ops, store.Op{Kind: store.Insert, Collection: collection, Doc: marshaled(t, d)})
				}
			}
			r := repositoryWith(t, open, m, ops)
			var others []*fhir.SearchParam
			for p := range ownParameters() {
				others = append(others, p)
			}
			r.Others = func(fhir.Type) ([]*fhir.SearchParam, []string) { return others, nil }
			var refused *fhir.Error
			if _, err := r.Search(t.Context(), parsedQuery(t, r, "Patient", "_sort=gender,birthdate")); !errors.As(err, &refused) || refused.Code() != fhir.CodeNotSupported {
				t.Errorf("text that is no date cannot be told apart, but: %v", err)
			}
			for order, want := range tests {
				q := parsedQuery(t, r, "Patient", "_sort="+order)
				for _, count := range []int{1, 2, 3, 100} {
					q.Count = count
					var got []string
					for _, res := range everything(t.Context(), t, r, *q) {
						got = append(got, strings.TrimSuffix(res.ID, "-pet"))
					}
					// The EHR's keys decide between equals, in the direction of the last.
					if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
						t.Errorf("_sort=%s in pages of %d:\n%s", order, count, diff)
					}
				}
			}
		})
	}
}
