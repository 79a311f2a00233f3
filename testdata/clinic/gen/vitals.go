package main

import (
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// vitals makes what is measured at visits and at home: one document holds what was
// measured at one time.
func (w *world) vitals(p *person) {
	r := p.r
	age := p.ageAt(today)
	visits := 5 + r.IntN(12)
	switch {
	case p.key == "amy-shaw":
		visits = 30
	case age > 65:
		visits += 25
	case p.hypertension:
		visits += 14
	case age < 2:
		visits = 9
	}
	tall := 164 + 7*r.NormFloat64()
	if p.sex == "M" {
		tall += 14
	}
	bmi := 24.5 + 3.5*r.NormFloat64()
	sys := 118 + 8*r.NormFloat64()
	if p.key == "amy-shaw" {
		tall, bmi = 168, 25.1
	}
	if p.hypertension {
		sys += 24
	}
	if p.key == "amy-shaw" {
		w.readmeVisit(p)
	}
	first := later(p.registered, p.born)
	span := int(p.end().Sub(first).Hours() / 24)
	for i := range visits {
		at := w.at(workday(int(today.Sub(p.end()).Hours()/24)+1+i*span/visits+r.IntN(max(1, span/visits))), 8+r.IntN(7), r.IntN(60))
		if at.Before(first) {
			continue
		}
		old := p.ageAt(at)
		source := by("staff", "nurse-solberg")
		atHome := p.hypertension && i%3 == 1 || p.key == "amy-shaw" && i%2 == 1
		if atHome {
			source = by("patient", p.id)
			at = w.at(at, 7, r.IntN(60))
		} else if chance(r, 30) {
			source = by("staff", p.gp)
		}
		doc := bson.D{{Key: "_id", Value: w.oid(at)}, {Key: "kind", Value: "vitals"}, {Key: "pid", Value: p.id}, {Key: "at", Value: at}}
		if old >= 3 && (atHome || chance(r, 75)) {
			s := sys*math.Min(1, 0.78+old/90) + 7*r.NormFloat64()
			doc = append(doc, bson.E{Key: "bp_sys", Value: int32(s)}, bson.E{Key: "bp_dia", Value: int32(s*0.63 + 4*r.NormFloat64())})
		}
		if atHome || chance(r, 80) {
			rest := 71 + 60*math.Exp(-old/5) + 7*r.NormFloat64()
			doc = append(doc, bson.E{Key: "hr", Value: int32(rest)})
		}
		if !atHome {
			cm, kg := body(old, tall, bmi)
			if old < 18 || chance(r, 55) {
				doc = append(doc, bson.E{Key: "wt_kg", Value: round(kg+0.6*r.NormFloat64(), 1)})
			}
			if old < 18 || i == visits-1 {
				doc = append(doc, bson.E{Key: "ht_cm", Value: round(cm, 1)})
			}
			if chance(r, 22) {
				doc = append(doc, bson.E{Key: "temp_c", Value: round(37.1+0.6*math.Abs(r.NormFloat64()), 1)})
			}
			if p.asthma || chance(r, 12) {
				doc = append(doc, bson.E{Key: "spo2", Value: int32(99 - r.IntN(5))})
			}
			doc = append(doc, bson.E{Key: "device", Value: pick(r, []string{"WA-CVSM-1", "WA-CVSM-2"})})
		}
		if len(doc) == 4 { // nothing measured
			continue
		}
		w.add("vitals_labs", at, stored(append(doc, bson.E{Key: "by", Value: source}), 1, at.Add(2*time.Minute)))
	}
}

// readmeVisit is the visit that the project's README shows.
func (w *world) readmeVisit(p *person) {
	at := w.at(day(2026, time.May, 12), 10, 40)
	w.add("vitals_labs", at, stored(bson.D{
		{Key: "_id", Value: w.oid(at)},
		{Key: "kind", Value: "vitals"},
		{Key: "pid", Value: p.id},
		{Key: "at", Value: at},
		{Key: "bp_sys", Value: int32(128)},
		{Key: "bp_dia", Value: int32(79)},
		{Key: "hr", Value: int32(64)},
		{Key: "wt_kg", Value: 71.4},
		{Key: "by", Value: by("staff", "nurse-solberg")},
	}, 1, at.Add(2*time.Minute)))
}

// body gives height and weight at an age, roughly as growth charts do.
func body(age, tall, bmi float64) (cm, kg float64) {
	if age >= 18 {
		return tall, bmi * tall * tall / 1e4
	}
	cm = 50 + (tall-50)*math.Pow(age/18, 0.55)
	lean := 15.6 + 0.25*math.Max(0, age-6) // children's BMI
	return cm, math.Max(3.2, lean*cm*cm/1e4)
}
