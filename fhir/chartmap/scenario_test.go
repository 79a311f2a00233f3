package chartmap_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/chartmap"
	"github.com/portico-fhir/portico/fhir/commit"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store"
	"github.com/portico-fhir/portico/store/memory"
	"github.com/portico-fhir/portico/testdata/clinic"
)

const (
	booked  = "6a1c5b00c11e1c0007982b63"
	unread  = "6a1c7aa4c11e1c0007ba9158" // from the front desk to Amy Shaw and her doctor
	visit   = "6a197cf0c11e1c00075fcd32" // blood pressure, pulse and weight
	weight  = "68df939cc11e1c0007c75eef" // nothing but a weight
	labTest = "6a194a50c11e1c0007b2494f"
	order   = "69c133b0c11e1c0007bb577a" // active, of Amy Shaw
	refill  = "6a19d18cc11e1c0007fa8af8" // asked for
)

var (
	amy       = &commit.Actor{Role: "patient", Self: []fhir.Key{{Type: "Patient", ID: "amy-shaw"}}}
	stranger  = &commit.Actor{Role: "patient", Self: []fhir.Key{{Type: "Patient", ID: "lena-shaw"}}}
	clinician = &commit.Actor{Role: "clinician", Self: []fhir.Key{{Type: "Practitioner", ID: "dr-okafor"}}}
)

type object = map[string]any

func as(ctx context.Context, a *commit.Actor) context.Context {
	if a == nil {
		return ctx
	}
	return commit.As(ctx, *a)
}

// clinicOf is the demo clinic with the people, and of all else the documents that the
// scenarios are about.
func clinicOf(t testing.TB) *chartmap.Repository {
	t.Helper()
	st := memory.New()
	t.Cleanup(func() { st.Close() })
	var ops []store.Op
	for _, op := range clinicOps(t) {
		switch id, _ := store.ID(op.Doc).ObjectIDOK(); {
		case slices.Contains([]string{booked, unread, visit, weight, labTest, order, refill}, id.Hex()),
			slices.Contains([]string{"patients", "staff", "relatives", "locations"}, op.Collection):
			op.Collection = clinic.Database + "." + op.Collection
			ops = append(ops, op)
		}
	}
	if err := st.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	return &chartmap.Repository{Store: st, Map: demo(t), Base: "https://clinic.example/fhir", Now: clinic.Today}
}

func one(m object, name string) object { return m[name].([]any)[0].(object) }

// TestUpdatesOfTheClinic says of each change what becomes of the document, or how it
// is refused.
func TestUpdatesOfTheClinic(t *testing.T) {
	t.Parallel()
	date := func(s string) bson.DateTime {
		d, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return bson.NewDateTimeFromTime(d)
	}
	tests := []struct {
		claim      string
		typ        fhir.Type
		id         string
		collection string
		who        *commit.Actor
		edit       func(m object)
		want       map[string]any // besides rev and upd
		refused    string
	}{
		{claim: "an appointment is moved", typ: "Appointment", id: booked, collection: "appointments", edit: func(m object) {
			m["start"], m["end"] = "2026-06-04T10:00:00Z", "2026-06-04T10:45:00Z"
		}, want: object{"start": date("2026-06-04T10:00:00Z"), "mins": int32(45)}},
		{claim: "its length alone", typ: "Appointment", id: booked, collection: "appointments", edit: func(m object) {
			m["end"] = "2026-06-03T11:50:00+02:00"
		}, want: object{"mins": int32(20)}},
		{claim: "an end before the start", typ: "Appointment", id: booked, edit: func(m object) {
			m["end"] = "2026-06-03T09:00:00Z"
		}, refused: "business-rule Appointment.end"},
		{claim: "seconds that the EHR does not keep", typ: "Appointment", id: booked, edit: func(m object) {
			m["end"] = "2026-06-03T09:45:30Z"
		}, refused: "business-rule Appointment.end"},
		{claim: "a patient cancels, and sends back what was read of the others", typ: "Appointment", id: booked, collection: "appointments", who: amy, edit: func(m object) {
			m["status"], m["cancelationReason"] = "cancelled", object{"text": "Ill"}
		}, want: object{"state": "CANX", "canx_why": "Ill"}},
		{claim: "a patient does not arrive by herself", typ: "Appointment", id: booked, who: amy, edit: func(m object) {
			m["status"] = "arrived"
		}, refused: "business-rule Appointment.status"},
		{claim: "a clinician sees her arrive", typ: "Appointment", id: booked, collection: "appointments", who: clinician, edit: func(m object) {
			m["status"] = "arrived"
		}, want: object{"state": "ARR"}},
		{claim: "nobody jumps from booked to fulfilled", typ: "Appointment", id: booked, edit: func(m object) {
			m["status"] = "fulfilled"
		}, refused: "business-rule Appointment.status"},
		{claim: "a state that the EHR does not have", typ: "Appointment", id: booked, edit: func(m object) {
			m["status"] = "waitlist"
		}, refused: "code-invalid Appointment.status"},
		{claim: "what follows from the state cannot be something else", typ: "Appointment", id: booked, edit: func(m object) {
			m["participant"].([]any)[1].(object)["status"] = "tentative"
		}, refused: "business-rule Appointment.participant[1].status"},
		{claim: "an appointment is not given to another patient", typ: "Appointment", id: booked, edit: func(m object) {
			one(m, "participant")["actor"] = object{"reference": "Patient/lena-shaw"}
		}, refused: "business-rule Appointment"},
		{claim: "nor taken from everybody", typ: "Appointment", id: booked, edit: func(m object) {
			m["participant"] = m["participant"].([]any)[1:]
		}, refused: "business-rule Appointment"},
		{claim: "a recipient has read a message", typ: "Communication", id: unread, collection: "messages", who: amy, edit: func(m object) {
			m["received"] = "2026-06-01T08:00:00+02:00"
		}, want: object{"read_at": date("2026-06-01T06:00:00Z")}},
		{claim: "somebody else has not", typ: "Communication", id: unread, who: stranger, edit: func(m object) {
			m["received"] = "2026-06-01T08:00:00+02:00"
		}, refused: "forbidden Communication.received"},
		{claim: "what was said stays", typ: "Communication", id: unread, edit: func(m object) {
			one(m, "payload")["contentString"] = "Never mind"
		}, refused: "business-rule Communication.payload"},
		{claim: "to whom, too", typ: "Communication", id: unread, edit: func(m object) {
			m["recipient"] = m["recipient"].([]any)[:1]
		}, refused: "business-rule Communication.recipient"},
		{claim: "blood pressure in another unit", typ: "Observation", id: visit + "-bp", edit: func(m object) {
			one(m, "component")["valueQuantity"] = object{"value": json.Number("16.7"), "unit": "kPa", "system": "http://unitsofmeasure.org", "code": "kPa"}
		}, refused: "business-rule Observation.component[0].valueQuantity"},
		{claim: "blood pressure without a unit", typ: "Observation", id: visit + "-bp", edit: func(m object) {
			one(m, "component")["valueQuantity"] = object{"value": json.Number("125")}
		}, refused: "business-rule Observation.component[0].valueQuantity"},
		{claim: "a bound instead of a value", typ: "Observation", id: visit + "-hr", edit: func(m object) {
			m["valueQuantity"].(object)["comparator"] = "<"
		}, refused: "business-rule Observation.valueQuantity.comparator"},
		{claim: "a weight in pounds is kept in kilograms", typ: "Observation", id: visit + "-wt", collection: "vitals_labs", edit: func(m object) {
			m["valueQuantity"] = object{"value": json.Number("150"), "unit": "lb", "system": "http://unitsofmeasure.org", "code": "[lb_av]"}
		}, want: object{"wt_kg": 68.0388555}},
		{claim: "one of the measurements of a visit", typ: "Observation", id: visit + "-hr", collection: "vitals_labs", edit: func(m object) {
			m["valueQuantity"].(object)["value"] = json.Number("71")
		}, want: object{"hr": int32(71)}},
		{claim: "the time of a visit belongs to all of them", typ: "Observation", id: visit + "-hr", edit: func(m object) {
			m["effectiveDateTime"] = "2026-05-29T12:00:00Z"
		}, refused: "business-rule Observation"},
		{claim: "but the time of a single one can be put right", typ: "Observation", id: weight + "-wt", collection: "vitals_labs", edit: func(m object) {
			m["effectiveDateTime"] = "2025-10-03T09:00:00Z"
		}, want: object{"at": date("2025-10-03T09:00:00Z")}},
		{claim: "a measurement without its value is none", typ: "Observation", id: weight + "-wt", edit: func(m object) {
			delete(m, "valueQuantity")
		}, refused: "business-rule Observation"},
		{claim: "a pulse does not become a weight", typ: "Observation", id: visit + "-hr", edit: func(m object) {
			m["code"] = object{"coding": []any{object{"system": "http://loinc.org", "code": "29463-7"}}}
		}, refused: "business-rule Observation.code"},
		{claim: "the laboratory's results belong to it", typ: "Observation", id: labTest, edit: func(m object) {
			m["note"] = []any{object{"text": "wrong"}}
		}, refused: "business-rule "},
		{claim: "a clinician stops a prescription", typ: "MedicationRequest", id: order, collection: "prescriptions", edit: func(m object) {
			m["status"] = "stopped"
		}, want: object{"st": "S"}},
		{claim: "a prescription does not become a request", typ: "MedicationRequest", id: order, edit: func(m object) {
			m["intent"] = "proposal"
		}, refused: "business-rule MedicationRequest.intent"},
		{claim: "that something must not be given is not lost", typ: "MedicationRequest", id: order, edit: func(m object) {
			m["doNotPerform"] = true
		}, refused: "business-rule MedicationRequest.doNotPerform"},
		{claim: "nor what changes the meaning", typ: "MedicationRequest", id: order, edit: func(m object) {
			one(m, "dosageInstruction")["modifierExtension"] = []any{object{"url": "urn:x", "valueBoolean": true}}
		}, refused: "business-rule MedicationRequest.dosageInstruction[0].modifierExtension"},
		{claim: "a clinician approves a refill", typ: "MedicationRequest", id: refill, collection: "prescriptions", who: clinician, edit: func(m object) {
			m["status"] = "completed"
		}, want: object{"st": "RA"}},
		{claim: "a patient does not", typ: "MedicationRequest", id: refill, who: amy, edit: func(m object) {
			m["status"] = "completed"
		}, refused: "business-rule MedicationRequest.status"},
		{claim: "what the EHR has no place for changes its version alone", typ: "Patient", id: "amy-shaw", collection: "patients", edit: func(m object) {
			m["maritalStatus"] = object{"text": "married"}
		}, want: object{}},
		{claim: "a part of a resource does not take the place of the whole", typ: "Patient", id: "amy-shaw", edit: func(m object) {
			m["meta"] = object{"tag": []any{object{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}}}
		}, refused: "business-rule Patient.meta.tag"},
		{claim: "tags and profiles are kept", typ: "Patient", id: "amy-shaw", collection: "patients", edit: func(m object) {
			m["meta"].(object)["tag"] = []any{object{"code": "vip"}}
			m["meta"].(object)["profile"] = []any{"http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"}
		}, want: object{}},
		{claim: "a reference must be to something here", typ: "Patient", id: "amy-shaw", edit: func(m object) {
			m["generalPractitioner"] = []any{object{"reference": "https://elsewhere.example/Practitioner/1"}}
		}, refused: "business-rule Patient.generalPractitioner[0]"},
		{claim: "an absolute reference to here is the same", typ: "Patient", id: "amy-shaw", collection: "patients", edit: func(m object) {
			m["generalPractitioner"] = []any{object{"reference": "https://clinic.example/fhir/Practitioner/dr-lindt"}}
		}, want: object{"gp": "dr-lindt"}},
	}
	for _, tt := range tests {
		t.Run(tt.claim, func(t *testing.T) {
			t.Parallel()
			r := clinicOf(t)
			key := fhir.Key{Type: tt.typ, ID: tt.id}
			body := edited(t, r, key, tt.edit)
			keyOf, _, _ := strings.Cut(tt.id, "-")
			id := store.String(tt.id)
			if len(keyOf) == 24 {
				id = oid(keyOf)
			}
			before := bson.M{}
			if tt.collection != "" {
				before = document(t, r.Store, tt.collection, id)
			}
			_, err := r.Commit(as(t.Context(), tt.who), []fhir.Change{{Method: fhir.Put, Key: key, Body: body}})
			if tt.refused != "" {
				if got := refused(err); err == nil || got != tt.refused {
					t.Errorf("%v (%s), want %s", err, got, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := changes(before, document(t, r.Store, tt.collection, id))
			if got["rev"] == nil || got["upd"] == nil {
				t.Errorf("the version was not raised: %v", got)
			}
			delete(got, "rev")
			delete(got, "upd")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAMessageIsReadOnce(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	key := fhir.Key{Type: "Communication", ID: unread}
	put(t, r, key, edited(t, r, key, func(m object) { m["received"] = "2026-06-01T06:00:00Z" }))
	for _, again := range []any{"2026-06-02T06:00:00Z", nil} {
		body := edited(t, r, key, func(m object) {
			m["received"] = again
			if again == nil {
				delete(m, "received")
			}
		})
		_, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: body}})
		if got := refused(err); got != "business-rule Communication.received" {
			t.Errorf("%v: %v", again, err)
		}
	}
}

func TestAForbiddenTransitionNamesThoseThatAreAllowed(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	key := fhir.Key{Type: "Appointment", ID: booked}
	body := edited(t, r, key, func(m object) { m["status"] = "fulfilled" })
	for _, tt := range []struct {
		who  *commit.Actor
		want string
	}{
		{nil, "Possible: arrived, cancelled, noshow."},
		{amy, "From booked this cannot follow. Possible: cancelled."},
		{clinician, "Possible: arrived, cancelled, noshow."},
		{&commit.Actor{Role: "system"}, "The chart map lets nobody who acts as system move this state: its transitions are of clinician, patient, proxy."},
	} {
		_, err := r.Commit(as(t.Context(), tt.who), []fhir.Change{{Method: fhir.Put, Key: key, Body: body}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v", tt.who, err)
		}
	}
}

// create commits a creation.
func create(t testing.TB, r *chartmap.Repository, who *commit.Actor, typ fhir.Type, body any) (fhir.Resource, error) {
	t.Helper()
	results, err := r.Commit(as(t.Context(), who), []fhir.Change{{Method: fhir.Create, Key: fhir.Key{Type: typ}, Body: encoded(t, body)}})
	if err != nil {
		return fhir.Resource{}, err
	}
	if results[0].Status != fhir.Created {
		t.Errorf("status %d", results[0].Status)
	}
	return results[0].Resource, nil
}

func refillOf(id string) object {
	return object{
		"resourceType": "MedicationRequest", "status": "active", "intent": "proposal",
		"medicationCodeableConcept": object{"coding": []any{object{"system": "http://www.whocc.no/atc", "code": "H03AA01"}}, "text": "Levotyroksin"},
		"subject":                   object{"reference": "Patient/amy-shaw"},
		"requester":                 object{"reference": "Patient/amy-shaw"},
		"authoredOn":                "2026-06-01T08:00:00+02:00",
		"priorPrescription":         object{"reference": "MedicationRequest/" + id},
		"note":                      []any{object{"text": "Before Friday, please"}},
	}
}

func TestARefillIsAskedFor(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	body := refillOf(order)
	res, err := create(t, r, amy, "MedicationRequest", body)
	if err != nil {
		t.Fatal(err)
	}
	got := document(t, r.Store, "prescriptions", oid(res.ID))
	prior, _ := bson.ObjectIDFromHex(order)
	now := bson.NewDateTimeFromTime(r.Now())
	want := bson.M{
		"_id": got["_id"], "st": "RQ", "pid": "amy-shaw", "by": bson.D{{Key: "id", Value: "amy-shaw"}, {Key: "role", Value: "patient"}},
		"drug": bson.D{{Key: "atc", Value: "H03AA01"}, {Key: "name", Value: "Levotyroksin"}}, "renew_of": prior,
		"at": now, "note": "Before Friday, please", "rev": int32(1), "upd": now,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	back := must(r.Read(t.Context(), res.Key))
	if diff := cmp.Diff(content(t, encoded(t, body)), content(t, back.Body)); diff != "" {
		t.Error(diff)
	}
	body["status"] = "completed"
	if _, err := create(t, r, amy, "MedicationRequest", body); refused(err) != "business-rule MedicationRequest.status" {
		t.Errorf("approved from the start: %v", err)
	}
}

func pulse() object {
	return object{
		"resourceType": "Observation", "status": "final", "code": object{"coding": []any{object{"system": "http://loinc.org", "code": "8867-4"}}},
		"subject": object{"reference": "Patient/amy-shaw"}, "effectiveDateTime": "2026-06-01T07:30:00+02:00",
		"performer":     []any{object{"reference": "Patient/amy-shaw"}},
		"valueQuantity": object{"value": json.Number("61"), "unit": "beats/minute", "system": "http://unitsofmeasure.org", "code": "/min"},
	}
}

func TestWhatIsMeasuredAtHomeBecomesADocument(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	res, err := create(t, r, amy, "Observation", pulse())
	if err != nil {
		t.Fatal(err)
	}
	id, isPulse := strings.CutSuffix(res.ID, "-hr")
	got := document(t, r.Store, "vitals_labs", oid(id))
	if !isPulse || got["kind"] != "vitals" || got["hr"] != int32(61) || got["pid"] != "amy-shaw" {
		t.Errorf("%s: %v", res.ID, got)
	}
	for claim, edit := range map[string]func(m object){
		"of nobody": func(m object) { delete(m, "subject") },
		"of what the EHR does not measure": func(m object) {
			m["code"] = object{"coding": []any{object{"system": "http://loinc.org", "code": "39156-5"}}}
		},
		"without a value": func(m object) { delete(m, "valueQuantity") },
		"in another unit": func(m object) { m["valueQuantity"].(object)["code"] = "Hz" },
		"in the unit of another system": func(m object) {
			delete(m["valueQuantity"].(object), "code")
			m["valueQuantity"].(object)["system"] = "urn:other"
		},
		"preliminary":          func(m object) { m["status"] = "preliminary" },
		"of somebody too long": func(m object) { m["subject"] = object{"reference": "Patient/" + strings.Repeat("x", 65)} },
	} {
		body := pulse()
		edit(body)
		if _, err := create(t, r, amy, "Observation", body); !strings.HasPrefix(refused(err), "business-rule Observation") {
			t.Errorf("%s: %v", claim, err)
		}
	}
}

func TestDeletionTakesWhatIsOnesOwn(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	remove := func(key fhir.Key) fhir.Result {
		t.Helper()
		results, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Delete, Key: key}})
		if err != nil {
			t.Fatal(err)
		}
		return results[0]
	}
	before := document(t, r.Store, "vitals_labs", oid(visit))
	if res := remove(fhir.Key{Type: "Observation", ID: visit + "-bp"}); res.Status != fhir.Deleted {
		t.Errorf("status %d", res.Status)
	}
	got := changes(before, document(t, r.Store, "vitals_labs", oid(visit)))
	delete(got, "upd")
	if diff := cmp.Diff(object{"bp_sys": "unset", "bp_dia": "unset", "rev": int32(2)}, got); diff != "" {
		t.Error(diff)
	}
	if res := remove(fhir.Key{Type: "Observation", ID: visit + "-bp"}); res.Status != fhir.Absent {
		t.Errorf("again: status %d", res.Status)
	}
	remove(fhir.Key{Type: "Observation", ID: weight + "-wt"})
	if doc := document(t, r.Store, "vitals_labs", oid(weight)); doc != nil {
		t.Errorf("of the last one is left %v", doc)
	}
	for _, key := range []fhir.Key{{Type: "Observation", ID: labTest}, {Type: "Patient", ID: "amy-shaw"}} {
		if _, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Delete, Key: key}}); err == nil {
			t.Errorf("%s was deleted", key)
		}
	}
}

// rival is a store whose documents change just before something is applied.
type rival struct {
	store.Store
	once  sync.Once
	write func(store.Store)
}

func (s *rival) Apply(ctx context.Context, ops []store.Op) error {
	s.once.Do(func() { s.write(s.Store) })
	return s.Store.Apply(ctx, ops)
}

// TestWhatTheEHRWritesIsNeverOverwritten lets the EHR write behind Portico's back, at
// every moment, in maps with and without a version.
func TestWhatTheEHRWritesIsNeverOverwritten(t *testing.T) {
	t.Parallel()
	key := fhir.Key{Type: "Patient", ID: "amy-shaw"}
	for _, versioned := range []bool{true, false} {
		for _, when := range []string{"before", "during"} {
			for _, field := range []string{"mobile", "email", "private"} {
				t.Run(when+" "+field, func(t *testing.T) {
					t.Parallel()
					r := clinicOf(t)
					if !versioned {
						m, err := chartmap.Load([]byte(strings.ReplaceAll(strings.ReplaceAll(string(clinic.ChartMap()), "  version: rev", "  # version: rev"), "  updated: upd", "  # updated")), "chart.yaml")
						if err != nil {
							t.Fatal(err)
						}
						r.Map = m
					}
					version := must(r.Read(t.Context(), key)).Version
					body := edited(t, r, key, func(m object) { m["telecom"].([]any)[0].(object)["value"] = "+47 00 11 11 11" })
					ehr := func(st store.Store) {
						set := []store.Field{{Path: field, Value: store.String("the EHR's")}}
						if versioned {
							set = append(set, store.Field{Path: "rev", Value: store.V(4)})
						}
						if err := st.Apply(t.Context(), []store.Op{{Kind: store.Update, Collection: "clinic.patients", ID: store.String("amy-shaw"), Set: set}}); err != nil {
							t.Error(err)
						}
					}
					if when == "before" {
						ehr(r.Store)
					} else {
						r.Store = &rival{Store: r.Store, write: ehr}
					}
					_, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: body, IfMatch: version}})
					doc := document(t, r.Store, "patients", store.String("amy-shaw"))
					if doc[field] != "the EHR's" {
						t.Errorf("%s is %v", field, doc[field])
					}
					concerned := versioned || field != "private"
					if concerned != (refused(err) == "conflict http.If-Match") || concerned == (doc["mobile"] == "+47 00 11 11 11") {
						t.Errorf("mobile is %v after %v", doc["mobile"], err)
					}
					if !concerned {
						return
					}
					// Without a version, what happens in between is a conflict all the same.
					if when == "during" {
						r.Store = &rival{Store: r.Store.(*rival).Store, write: func(st store.Store) {
							set := []store.Field{{Path: "email", Value: store.String("once more")}, {Path: "rev", Value: store.V(9)}}
							if err := st.Apply(t.Context(), []store.Op{{Kind: store.Update, Collection: "clinic.patients", ID: store.String("amy-shaw"), Set: set}}); err != nil {
								t.Error(err)
							}
						}}
						_, err = r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: body}})
						if doc := document(t, r.Store, "patients", store.String("amy-shaw")); refused(err) != "conflict " || doc["email"] != "once more" {
							t.Errorf("%v, email is %v", err, doc["email"])
						}
					}
				})
			}
		}
	}
}

func TestOfTwoThatSawTheSameVersionOneWins(t *testing.T) {
	t.Parallel()
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := repositoryOn(t, open, clinicOps(t)[:600])
			all := everything(t.Context(), t, r, fhir.Query{Type: "Appointment", Count: 100})
			if len(all) == 0 {
				t.Fatal("there are none")
			}
			key := all[0].Key
			var wg sync.WaitGroup
			codes := make([]string, 8)
			for i := range codes {
				body := edited(t, r, key, func(m object) { m["comment"] = strings.Repeat("x", i+1) })
				wg.Go(func() {
					_, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: key, Body: body, IfMatch: all[0].Version}})
					if err != nil {
						codes[i] = refused(err)
					}
				})
			}
			wg.Wait()
			won := 0
			for _, c := range codes {
				if c == "" {
					won++
				} else if c != "conflict http.If-Match" {
					t.Errorf("a loser was told %s", c)
				}
			}
			if won != 1 {
				t.Errorf("%d won", won)
			}
		})
	}
}

func TestPreconditions(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	self := fhir.Key{Type: "Patient", ID: "amy-shaw"}
	body := must(r.Read(t.Context(), self)).Body
	for _, tt := range []struct {
		claim  string
		change fhir.Change
		want   string
	}{
		{"If-None-Match on what is there", fhir.Change{Method: fhir.Put, Key: self, Body: body, IfNoneMatch: true}, "conflict http.If-None-Match"},
		{"If-Match on what is not", fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Patient", ID: "nobody"}, Body: body, IfMatch: "1"}, "conflict http.If-Match"},
		{"another version", fhir.Change{Method: fhir.Put, Key: self, Body: body, IfMatch: "2"}, "conflict http.If-Match"},
		{"an id of the client's", fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Patient", ID: "nobody"}, Body: body}, "not-supported Patient.id"},
		{"a new patient", fhir.Change{Method: fhir.Create, Key: fhir.Key{Type: "Patient"}, Body: body}, "not-supported "},
		{"a type that is only read", fhir.Change{Method: fhir.Put, Key: fhir.Key{Type: "Practitioner", ID: "dr-okafor"}, Body: body}, "not-supported "},
	} {
		if _, err := r.Commit(t.Context(), []fhir.Change{tt.change}); refused(err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.claim, err, tt.want)
		}
	}
}

func TestAListIsNotWithoutEnd(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	self := fhir.Key{Type: "Patient", ID: "amy-shaw"}
	for n, want := range map[int]string{1000: "", 1001: "too-costly Patient.address"} {
		body := edited(t, r, self, func(m object) {
			var all []any
			for i := range n {
				all = append(all, object{"city": strings.Repeat("x", 1+i%7), "postalCode": strings.Repeat("1", 1+i%5)})
			}
			m["address"] = all
		})
		_, err := r.Commit(t.Context(), []fhir.Change{{Method: fhir.Put, Key: self, Body: body}})
		if want == "" && err != nil || want != "" && refused(err) != want {
			t.Errorf("%d entries: %v", n, err)
		}
	}
	back := must(r.Read(t.Context(), self))
	m := tree(t, back.Body)
	slices.Reverse(m["address"].([]any))
	put(t, r, self, encoded(t, m))
	if got := must(r.Read(t.Context(), self)); missing(content(t, got.Body), content(t, encoded(t, m)), "") != "" {
		t.Error("they do not come back in another order")
	}
}

func TestConditionalCreationsAtTheSameTimeMakeOneDocument(t *testing.T) {
	t.Parallel()
	r := clinicOf(t)
	date, ok := search.Lookup("Observation", "date")
	subject, ok2 := search.Lookup("Observation", "patient")
	if !ok || !ok2 {
		t.Fatal("Observation has no date or patient")
	}
	at, err := fhir.ParseDate("2026-06-01T05:30:00Z")
	if err != nil {
		t.Fatal(err)
	}
	where := fhir.And{fhir.Term{Param: date, Value: fhir.DateValue{Date: at}}, fhir.Term{Param: subject, Value: fhir.ReferenceValue{Type: "Patient", ID: "amy-shaw"}}}
	change := fhir.Change{
		Method: fhir.Create, Key: fhir.Key{Type: "Observation"}, Body: encoded(t, pulse()),
		IfNoneExist: &fhir.Condition{Name: "Observation?of the morning", Query: &fhir.Query{Type: "Observation", Where: where}},
	}
	var wg sync.WaitGroup
	codes := make([]string, 16)
	for i := range codes {
		wg.Go(func() {
			if _, err := r.Commit(t.Context(), []fhir.Change{change}); err != nil {
				codes[i] = refused(err)
			}
		})
	}
	wg.Wait()
	made := 0
	for _, c := range codes {
		if c == "" {
			made++
		} else if c != "duplicate http.If-None-Exist" {
			t.Error(c)
		}
	}
	if made != 1 {
		t.Errorf("%d were made", made)
	}
}

// TestWhatNobodySeesIsNotTakenAway lets documents have values that no rule can read, or
// null where a document would be.
func TestWhatNobodySeesIsNotTakenAway(t *testing.T) {
	t.Parallel()
	const chart = `
chartmap: 1
defaults: { onUnknownCode: data-absent, timezone: UTC }
codes: { st: { map: { A: booked } }, why: { system: "urn:w", map: { X: x } } }
maps:
- name: a
  resource: Appointment
  from: a
  id: _id
  elements:
    status: { $from: st, $codes: st }
    cancelationReason: { $from: why, $codes: why, $as: concept, $text: why_text }
    start: { $from: when.at, $as: instant }
    end: { $from: [when.at, when.mins], $as: plusMinutes }
    participant: { $list1: { actor: { $ref: Patient, $from: p }, status: { $const: accepted } } }
`
	m, err := chartmap.Load([]byte(chart), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	t.Cleanup(func() { st.Close() })
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: "a1"}, {Key: "st", Value: "A"}, {Key: "why", Value: "odd"}, {Key: "when", Value: nil}, {Key: "p", Value: "p1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Apply(t.Context(), []store.Op{{Kind: store.Insert, Collection: "a", Doc: doc}}); err != nil {
		t.Fatal(err)
	}
	r := &chartmap.Repository{Store: st, Map: m}
	key := fhir.Key{Type: "Appointment", ID: "a1"}
	put(t, r, key, edited(t, r, key, func(m object) {
		m["cancelationReason"] = object{"text": "Ill"}
		m["start"], m["end"] = "2026-06-04T10:00:00Z", "2026-06-04T10:45:00Z"
	}))
	at, err := time.Parse(time.RFC3339, "2026-06-04T10:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	var got bson.M
	for doc, err := range st.Find(t.Context(), store.Query{Collection: "a"}) {
		if err != nil || bson.Unmarshal(doc, &got) != nil {
			t.Fatal(err)
		}
	}
	want := bson.M{
		"_id": "a1", "st": "A", "why": "odd", "why_text": "Ill", "p": "p1",
		"when": bson.D{{Key: "at", Value: bson.NewDateTimeFromTime(at)}, {Key: "mins", Value: int32(45)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
