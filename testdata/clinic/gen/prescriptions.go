package main

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

type drug struct {
	atc, name, sig string
	qty            float64
	unit           string
	refills        int
}

var (
	longTerm = map[string]drug{
		"hypertension": {"C09AA02", "Enalapril 10 mg tabletter", "1 tablett hver morgen", 98, "tablett", 3},
		"diabetes":     {"A10BA02", "Metformin 500 mg tabletter", "1 tablett morgen og kveld til mat", 100, "tablett", 3},
		"thyroid":      {"H03AA01", "Levotyroksin 75 µg tabletter", "1 tablett daglig, en halv time før frokost", 100, "tablett", 3},
		"asthma":       {"R03AC02", "Salbutamol 0,1 mg/dose inhalasjonsaerosol", "1–2 inhalasjoner ved behov, høyst 8 i døgnet", 200, "dose", 2},
		"iron":         {"B03AA07", "Jernsulfat 100 mg depottabletter", "1 tablett daglig", 100, "tablett", 1},
	}
	shortTerm = []drug{
		{"J01CE02", "Fenoksymetylpenicillin 660 mg tabletter", "2 tabletter 4 ganger daglig i 10 dager", 80, "tablett", 0},
		{"M01AE01", "Ibuprofen 400 mg tabletter", "1 tablett inntil 3 ganger daglig", 30, "tablett", 0},
		{"R06AE07", "Cetirizin 10 mg tabletter", "1 tablett daglig ved allergi", 100, "tablett", 1},
		{"D07AC01", "Betametason 0,1 % krem", "Tynt lag én gang daglig i 2 uker", 30, "g", 0},
		{"", "Nesespray med saltvann (egen resept)", "Etter behov", 1, "flaske", 0},
	}
)

// prescriptions makes orders and the requests of patients to have them renewed.
func (w *world) prescriptions(p *person) {
	r := p.r
	for _, c := range []struct {
		has  bool
		name string
	}{{p.hypertension, "hypertension"}, {p.diabetes, "diabetes"}, {p.thyroid, "thyroid"}, {p.asthma, "asthma"}, {p.iron, "iron"}} {
		if c.has {
			w.treatment(p, longTerm[c.name])
		}
	}
	for range 1 + r.IntN(4) {
		at := w.at(workday(10+r.IntN(900)), 9+r.IntN(6), r.IntN(60))
		if at.Before(p.registered) || at.After(p.end()) {
			continue
		}
		state := pick(r, []string{"C", "C", "C", "S", "X"})
		if today.Sub(at) < 20*24*time.Hour {
			state = "A"
		}
		w.order(p, pick(r, shortTerm), state, at, nil)
	}
}

// treatment is a drug over years: an order every year, the last one active,
// and requests in between.
func (w *world) treatment(p *person, d drug) {
	r := p.r
	var last any
	years := min(4, int(p.end().Sub(p.registered).Hours()/8766)+1)
	for i := years - 1; i >= 0; i-- {
		at := w.at(workday(int(today.Sub(p.end()).Hours()/24)+40+r.IntN(60)+i*365), 9+r.IntN(6), r.IntN(60))
		if at.Before(p.registered) {
			continue
		}
		state := "C"
		if i == 0 {
			state = pick(r, []string{"A", "A", "A", "A", "H", "S"})
			if p.key == "amy-shaw" || p.key == "lena-shaw" {
				state = "A"
			}
		}
		id := w.order(p, d, state, at, last)
		if i > 0 && chance(r, 60) {
			w.request(p, d, pick(r, []string{"RA", "RA", "RD"}), at.AddDate(0, 8+r.IntN(3), 0), id)
		}
		last = id
	}
	if last == nil || !p.died.IsZero() {
		return
	}
	if open := chance(r, 30) || p.key == "amy-shaw" || p.key == "lena-shaw"; open {
		w.request(p, d, "RQ", w.at(workday(1+r.IntN(9)), 19, r.IntN(60)), last)
	}
	if chance(r, 12) {
		w.order(p, d, "D", w.at(workday(1), 14, r.IntN(60)), last)
	}
}

func (w *world) order(p *person, d drug, state string, at time.Time, renews any) any {
	return w.prescribe(p, d, state, at, by("staff", p.gp), "", renews)
}

func (w *world) request(p *person, d drug, state string, at time.Time, renews any) {
	asks := by("patient", p.id)
	if p.ageAt(at) < 16 || len(p.relatives) > 0 && p.key != "lena-shaw" && chance(p.r, 40) {
		if len(p.relatives) == 0 {
			return
		}
		asks = by("related", w.relativeID(p.relatives[0]))
	}
	note := pick(p.r, []words{
		{},
		{"I have one week left.", "Har en uke igjen."},
		{"The same as last time, please.", "Samme som sist, takk."},
		{"Could it be at the pharmacy in Grünerløkka?", "Kan jeg få den på apoteket på Grünerløkka?"},
	}).to(p)
	w.prescribe(p, d, state, at, asks, note, renews)
}

func (w *world) prescribe(p *person, d drug, state string, at time.Time, author bson.D, note string, renews any) any {
	r := p.r
	id := w.oid(at)
	rx := field(bson.D{}, "atc", d.atc)
	doc := bson.D{
		{Key: "_id", Value: id},
		{Key: "pid", Value: p.id},
		{Key: "st", Value: state},
		{Key: "drug", Value: append(rx, bson.E{Key: "name", Value: d.name})},
		{Key: "sig", Value: d.sig},
		{Key: "qty", Value: d.qty},
		{Key: "qty_unit", Value: d.unit},
		{Key: "refills", Value: int32(d.refills)},
		{Key: "at", Value: at},
		{Key: "by", Value: author},
	}
	doc = field(doc, "note", note)
	doc = field(doc, "renew_of", renews)
	if state == "RD" {
		doc = append(doc, bson.E{Key: "answer_int", Value: "må til kontroll først"})
	}
	rev, upd := 1, at
	if state != "A" && state != "D" && state != "RQ" {
		rev, upd = 2, at.AddDate(0, 0, 1+r.IntN(9))
	}
	w.add("prescriptions", at, stored(doc, rev, upd))
	return id
}

// relativeID turns the key of a relative back into what its _id is.
func (w *world) relativeID(key string) any {
	if oid, err := bson.ObjectIDFromHex(key); err == nil {
		return oid
	}
	return key
}
