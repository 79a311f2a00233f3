package main

import (
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// malformed adds documents as every database has them that grew over years:
// imports, bugs, hands. The README lists them; their ids begin with fbad.
func (w *world) malformed() {
	at := w.at(day(2025, time.November, 3), 9, 10)
	n := byte(0)
	bad := func(name string, doc ...bson.E) {
		n++
		id := bson.ObjectID{0xfb, 0xad, 11: n}
		w.add(name, at, append(bson.D{{Key: "_id", Value: id}}, doc...))
	}
	rev, upd := bson.E{Key: "rev", Value: int32(1)}, bson.E{Key: "upd", Value: at}
	kind := func(k string) bson.E { return bson.E{Key: "kind", Value: k} }
	pid := func(id any) bson.E { return bson.E{Key: "pid", Value: id} }
	when := bson.E{Key: "at", Value: at}
	nurse := bson.E{Key: "by", Value: by("staff", "nurse-solberg")}
	one, other := w.people[10].id, w.people[30].id // not of those that the demo shows

	bad("vitals_labs", kind("vitals"), pid(one), bson.E{Key: "at", Value: "03.11.2025 09:10"}, bson.E{Key: "hr", Value: int32(70)}, nurse, rev, upd)
	bad("vitals_labs", kind("vitals"), when, bson.E{Key: "bp_sys", Value: int32(131)}, bson.E{Key: "bp_dia", Value: int32(84)}, nurse, rev, upd)
	bad("vitals_labs", kind("vitals"), pid(one), when, bson.E{Key: "bp_sys", Value: "138"}, bson.E{Key: "bp_dia", Value: int32(88)}, nurse, rev, upd)
	bad("vitals_labs", kind("vitals"), pid(other), when, bson.E{Key: "hr", Value: nil}, bson.E{Key: "wt_kg", Value: math.NaN()}, nurse, rev, upd)
	bad("vitals_labs", kind("lab"), pid(one), when, bson.E{Key: "test", Value: "CRP"}, bson.E{Key: "test_name", Value: "CRP"}, bson.E{Key: "st", Value: "ZZ"},
		bson.E{Key: "num", Value: 3.0}, bson.E{Key: "unit", Value: "mg/L"}, bson.E{Key: "released_at", Value: at}, rev, upd)
	bad("vitals_labs", kind("lab"), pid(one), when, bson.E{Key: "test", Value: "GLU"}, bson.E{Key: "st", Value: "F"}, bson.E{Key: "num", Value: 5.1},
		bson.E{Key: "txt", Value: "se kommentar"}, bson.E{Key: "unit", Value: "mmol/L"}, bson.E{Key: "released_at", Value: at}, rev, upd)
	bad("messages", pid(one), bson.E{Key: "subj", Value: "Importert"}, bson.E{Key: "from", Value: by("staff", "dr-okafor")}, bson.E{Key: "to", Value: nil},
		bson.E{Key: "sent", Value: at}, bson.E{Key: "body", Value: "Importert fra gammelt system"}, rev, upd)
	bad("messages", pid(one), bson.E{Key: "subj", Value: "Uten rolle"}, bson.E{Key: "from", Value: bson.D{{Key: "id", Value: one}}},
		bson.E{Key: "to", Value: bson.A{by("staff", "dr-okafor")}}, bson.E{Key: "sent", Value: at}, bson.E{Key: "body", Value: "Hvem skrev dette?"}, rev, upd)
	bad("patients", bson.E{Key: "mrn", Value: int32(20398)}, bson.E{Key: "name", Value: bson.D{}}, bson.E{Key: "sex", Value: "K"}, bson.E{Key: "dob", Value: at},
		bson.E{Key: "addr", Value: bson.A{nil, bson.D{}}}, bson.E{Key: "mobile", Value: int64(4700112233)}, bson.E{Key: "rev", Value: 3.0}, upd)
	bad("patients", bson.E{Key: "name", Value: "Stein Sagen"}, bson.E{Key: "dob", Value: "17.05.1960"}, bson.E{Key: "upd", Value: "i fjor"})
	bad("prescriptions", pid(int32(4711)), bson.E{Key: "st", Value: "A"}, bson.E{Key: "drug", Value: bson.D{{Key: "name", Value: "Paracetamol 500 mg tabletter"}}}, when, rev, upd)
	bad("prescriptions", pid(one), bson.E{Key: "st", Value: "RQ"}, bson.E{Key: "drug", Value: "Paracetamol"}, when, bson.E{Key: "by", Value: by("patient", one)},
		bson.E{Key: "renew_of", Value: bson.ObjectID{0xfb, 0xad, 0xff}}, bson.E{Key: "refills", Value: "tre"}, rev, upd)
	bad("prescriptions", pid(one), bson.E{Key: "st", Value: "Å"}, bson.E{Key: "drug", Value: bson.D{{Key: "name", Value: "Enalapril"}}}, when, rev, upd)
	bad("appointments", pid(one), bson.E{Key: "prov", Value: "dr-nobody"}, bson.E{Key: "loc", Value: "room-9"}, bson.E{Key: "state", Value: "CONF"},
		bson.E{Key: "start", Value: nil}, bson.E{Key: "mins", Value: "20"}, rev, upd)
	bad("appointments", pid(one), bson.E{Key: "prov", Value: "dr-okafor"}, bson.E{Key: "state", Value: "conf"}, bson.E{Key: "start", Value: at},
		bson.E{Key: "mins", Value: int32(-20)}, rev, upd)
	bad("appointments", pid(w.mergedAway()), bson.E{Key: "prov", Value: "dr-haugen"}, bson.E{Key: "state", Value: "NOSH"}, bson.E{Key: "start", Value: at},
		bson.E{Key: "mins", Value: int32(20)}, rev, upd)
	bad("relatives", pid(bson.A{one, other}), bson.E{Key: "rel", Value: "TANTE"}, bson.E{Key: "name", Value: nil}, bson.E{Key: "since", Value: "en gang i 2019"}, rev, upd)

	// A key that no FHIR id can be as it is.
	w.add("patients", at, bson.D{
		{Key: "_id", Value: "x/fbad 17"},
		{Key: "mrn", Value: "M000017"},
		{Key: "name", Value: bson.D{{Key: "last", Value: "Gammelsystem"}}},
		{Key: "dob", Value: "1955-08-01"},
		rev, upd,
	})
}

// mergedAway is the id of the patient who was merged into another.
func (w *world) mergedAway() any {
	for _, d := range w.cols["patients"] {
		for _, e := range d.body {
			if e.Key == "merged_into" {
				return d.body[0].Value
			}
		}
	}
	return nil
}
