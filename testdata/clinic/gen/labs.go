package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// test is one entry of the laboratory's catalogue. chart.yaml maps most of
// the codes to LOINC; the last ones are known only here.
type test struct {
	code, name, unit string
	low, high        float64 // reference range; a NaN has no bound
	spread           float64 // how far results lie from the middle of the range
	places           int
	plain            words // what is tested, to a patient
}

// words say the same to those who read English and to all others.
type words struct{ english, norwegian string }

func (w words) to(p *person) string {
	if p.english {
		return w.english
	}
	return w.norwegian
}

var none = math.NaN()

var catalogue = map[string]test{
	"HBA1C": {"HBA1C", "HbA1c", "%", none, 6.5, 0.5, 1, words{"long-term blood sugar", "langtidsblodsukkeret"}},
	"GLU":   {"GLU", "Glukose", "mmol/L", 4, 6.1, 0.7, 1, words{"blood sugar", "blodsukkeret"}},
	"NA":    {"NA", "Natrium", "mmol/L", 137, 145, 2.5, 0, words{"salt balance", "saltbalansen"}},
	"K":     {"K", "Kalium", "mmol/L", 3.6, 5, 0.4, 1, words{"salt balance", "saltbalansen"}},
	"CREA":  {"CREA", "Kreatinin", "umol/L", 45, 105, 14, 0, words{"kidney function", "nyrefunksjonen"}},
	"HB":    {"HB", "Hemoglobin", "g/dL", 11.7, 17, 1.2, 1, words{"haemoglobin", "blodprosenten"}},
	"WBC":   {"WBC", "Leukocytter", "10*9/L", 3.5, 10, 1.8, 1, words{"white blood cell count", "antallet hvite blodceller"}},
	"PLT":   {"PLT", "Trombocytter", "10*9/L", 145, 390, 60, 0, words{"platelet count", "antallet blodplater"}},
	"CRP":   {"CRP", "CRP", "mg/L", none, 5, 3.5, 0, words{"infection marker", "infeksjonsprøven"}},
	"CHOL":  {"CHOL", "Kolesterol", "mmol/L", 3.3, 6.9, 1, 1, words{"cholesterol", "kolesterolet"}},
	"HDL":   {"HDL", "HDL-kolesterol", "mmol/L", 1, 2.7, 0.4, 1, words{"good cholesterol", "det gode kolesterolet"}},
	"LDL":   {"LDL", "LDL-kolesterol", "mmol/L", 1.4, 4.7, 0.8, 1, words{"bad cholesterol", "det dårlige kolesterolet"}},
	"TSH":   {"TSH", "TSH", "mIU/L", 0.2, 4, 1, 2, words{"thyroid function", "stoffskiftet"}},
	"FERR":  {"FERR", "Ferritin", "ug/L", 15, 200, 45, 0, words{"iron store", "jernlageret"}},
	"ALT":   {"ALT", "ALAT", "U/L", 10, 70, 18, 0, words{"liver test", "leverprøven"}},
	"STREP": {code: "STREP", name: "Strep A hurtigtest", low: none, high: none, plain: words{"throat bacteria", "halsbakterier"}},
	"URSTX": {code: "URSTX", name: "Urin stix", low: none, high: none, plain: words{"urine", "urinen"}},
	"VITD2": {"VITD2", "25-OH vitamin D", "nmol/L", 50, 150, 28, 0, words{"vitamin D level", "vitamin D-nivået"}},
	"MIGG":  {"MIGG", "Meslinger IgG (eldre metode)", "AU", none, none, 60, 0, words{"measles", "meslinger"}},
}

// answers are the results that are words.
var answers = map[string][]string{
	"STREP": {"Negativ", "Negativ", "Positiv"},
	"URSTX": {"Leukocytter 2+, nitritt positiv", "Blank", "Protein 1+, ellers blank", "Hemolyse – ny prøve bedt om"},
}

// labs makes what the laboratory sent, in panels taken together.
func (w *world) labs(p *person) {
	r := p.r
	age := p.ageAt(today)
	rounds := 2 + r.IntN(3)
	if age > 60 || p.diabetes || p.key == "amy-shaw" {
		rounds += 5
	}
	if age < 12 {
		rounds = r.IntN(3)
	}
	span := int(p.end().Sub(later(p.registered, p.born)).Hours() / 24)
	for i := range rounds {
		at := w.at(workday(int(today.Sub(p.end()).Hours()/24)+3+i*span/rounds+r.IntN(max(1, span/rounds/2))), 8+r.IntN(3), r.IntN(60))
		if at.Before(p.registered) {
			continue
		}
		order := fmt.Sprintf("L%s-%03d", at.Format("060102"), r.IntN(1000))
		for n, code := range w.panel(p, p.ageAt(at)) {
			w.lab(p, code, order, n, at, i == 0)
		}
	}
	if p.key == "amy-shaw" {
		// Taken last Friday; the doctor has not looked at them, so that the
		// patient must not see them yet.
		for n, code := range []string{"TSH", "FERR", "HB"} {
			w.lab(p, code, "L260529-001", n, w.at(day(2026, time.May, 29), 9, 12), true)
		}
	}
}

// panel is what is tested on one occasion.
func (w *world) panel(p *person, age float64) []string {
	r := p.r
	if age < 12 {
		return pick(r, [][]string{{"CRP", "STREP"}, {"CRP", "HB"}, {"URSTX"}, {"FERR", "HB", "VITD2"}})
	}
	tests := []string{"HB", "WBC", "CRP"}
	if p.diabetes || chance(r, 25) {
		tests = append(tests, "HBA1C", "GLU")
	}
	if p.hypertension || chance(r, 40) {
		tests = append(tests, "NA", "K", "CREA")
	}
	if age > 40 && chance(r, 60) {
		tests = append(tests, "CHOL", "HDL", "LDL", "ALT")
	}
	if p.thyroid || chance(r, 20) {
		tests = append(tests, "TSH")
	}
	if p.iron || chance(r, 20) {
		tests = append(tests, "FERR")
	}
	for _, rare := range []string{"PLT", "STREP", "URSTX", "VITD2", "MIGG"} {
		if chance(r, 12) {
			tests = append(tests, rare)
		}
	}
	return tests
}

// lab makes one result. The newest round of some patients is not released yet.
func (w *world) lab(p *person, code, order string, n int, at time.Time, newest bool) {
	r, t := p.r, catalogue[code]
	fresh := newest && (p.key == "amy-shaw" && today.Sub(at) < 4*24*time.Hour || p.key != "amy-shaw" && chance(r, 15))
	id := w.oid(at.Add(time.Hour))
	doc := bson.D{{Key: "_id", Value: id}, {Key: "kind", Value: "lab"}, {Key: "pid", Value: p.id}, {Key: "at", Value: at}}
	local := t.code
	if local == "HBA1C" && at.Year() < 2020 {
		local = "A1C"
	}
	doc = append(doc, bson.E{Key: "order_no", Value: fmt.Sprintf("%s-%d", order, n+1)}, bson.E{Key: "test", Value: local}, bson.E{Key: "test_name", Value: t.name})
	status, rev := "F", 1
	switch {
	case fresh:
		status = pick(r, []string{"P", "F"})
	case chance(r, 3):
		status, rev = "C", 2
	case chance(r, 2):
		status, rev = "X", 2
	}
	doc = append(doc, bson.E{Key: "st", Value: status})
	explain := ""
	if status != "X" {
		doc, explain = result(doc, p, t, at)
	}
	doc = append(doc, bson.E{Key: "by", Value: by("staff", "bio-nguyen")})
	released := at.AddDate(0, 0, 1+r.IntN(2)).Add(time.Duration(3+r.IntN(4)) * time.Hour)
	if !fresh && released.Before(today) {
		if chance(r, 70) {
			doc = field(doc, "explain", explain)
		}
		doc = append(doc, bson.E{Key: "released_at", Value: released})
	}
	w.add("vitals_labs", at.Add(time.Hour), stored(append(doc, bson.E{Key: "lab_msg", Value: fmt.Sprintf("ORU-%X", id[9:])}), rev, released))
}

// result appends the value, its range and flag, and says it in plain words.
func result(doc bson.D, p *person, t test, at time.Time) (bson.D, string) {
	r := p.r
	if all := answers[t.code]; all != nil {
		word := pick(r, all)
		doc = append(doc, bson.E{Key: "txt", Value: word})
		if strings.Contains(strings.ToLower(word), "positiv") {
			return append(doc, bson.E{Key: "flag", Value: "A"}), words{"Your test for " + t.plain.english + " was positive.", "Prøven for " + t.plain.norwegian + " var positiv."}.to(p)
		}
		return doc, ""
	}
	low, high := t.low, t.high
	middle := high * 0.82
	switch {
	case !math.IsNaN(low):
		middle = (low + high) / 2
	case math.IsNaN(high):
		middle = 150
	}
	switch {
	case p.diabetes && (t.code == "HBA1C" || t.code == "GLU"):
		middle = high * 1.18
	case p.iron && t.code == "FERR":
		middle = low * 1.3
	case t.code == "CRP":
		middle = 2
	}
	v := round(math.Max(t.spread/10, middle+t.spread*r.NormFloat64()), t.places)
	if t.code == "CRP" && chance(r, 8) {
		v = float64(40 + r.IntN(140))
	}
	if t.code == "MIGG" {
		return append(doc, bson.E{Key: "num", Value: v}, bson.E{Key: "unit", Value: t.unit}), ""
	}
	doc = append(doc, bson.E{Key: "num", Value: v}, bson.E{Key: "unit", Value: t.unit})
	if !math.IsNaN(low) {
		doc = append(doc, bson.E{Key: "lo", Value: low})
	}
	doc = append(doc, bson.E{Key: "hi", Value: high})
	flag := flagOf(v, low, high)
	doc = append(doc, bson.E{Key: "flag", Value: flag})
	switch flag {
	case "N":
		return doc, words{"Your " + t.plain.english + " is normal.", "Normalt svar for " + t.plain.norwegian + "."}.to(p)
	case "H", "L":
		return doc, words{
			"Your " + t.plain.english + " is a little outside the usual range. We will look at it again at your next visit.",
			"Avvik for " + t.plain.norwegian + ": litt utenfor det vanlige. Vi ser på det igjen ved neste time.",
		}.to(p)
	}
	return doc, ""
}

func flagOf(v, low, high float64) string {
	switch {
	case v > high*1.6:
		return "HH"
	case v > high:
		return "H"
	case v < low*0.6:
		return "LL"
	case v < low:
		return "L"
	}
	return "N"
}
