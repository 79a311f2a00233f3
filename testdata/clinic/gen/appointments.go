package main

import (
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// slot is a time in a clinician's diary that can be booked.
type slot struct {
	id    any
	prov  string
	start time.Time
	state string
	rev   int
}

const slotMinutes = 30

var visitTypes = []string{"Konsultasjon", "Kontroll", "Videokonsultasjon", "Vaksinasjon", "Blodprøve"}

// slots opens the diaries for five weeks, the present one first. Past slots
// are cleared away by the EHR.
func (w *world) slots() {
	opens := day(2026, time.May, 11).Add(10 * time.Hour)
	for d := range 33 {
		date := today.AddDate(0, 0, d)
		if date.Weekday() == time.Saturday || date.Weekday() == time.Sunday {
			continue
		}
		for _, prov := range clinicians {
			for h := 9; h < 15; h++ {
				if h == 12 || (prov == "dr-lindt" && date.Weekday() == time.Friday) || (prov == "bio-nguyen" && h > 11) {
					continue
				}
				for _, m := range []int{0, slotMinutes} {
					if m > 0 && h%3 == 1 {
						continue
					}
					w.free[prov] = append(w.free[prov], &slot{id: w.oid(opens), prov: prov, start: w.at(date, h, m), state: "F", rev: 1})
				}
			}
		}
	}
}

// closeDiaries writes the slots as they stand after everybody has booked.
func (w *world) closeDiaries() {
	made := day(2026, time.May, 11).Add(10 * time.Hour)
	r := dice("diaries")
	for _, prov := range clinicians {
		for _, s := range w.free[prov] {
			if s.state == "F" && chance(r, 6) {
				s.state, s.rev = "U", 2
			}
			kind := pick(r, visitTypes[:3])
			if prov == "bio-nguyen" {
				kind = "Blodprøve"
			}
			doc := bson.D{
				{Key: "_id", Value: s.id},
				{Key: "prov", Value: prov},
				{Key: "loc", Value: roomOf(prov)},
				{Key: "type", Value: kind},
				{Key: "start", Value: s.start},
				{Key: "mins", Value: int32(slotMinutes)},
				{Key: "st", Value: s.state},
			}
			w.add("slots", made, stored(doc, s.rev, made.AddDate(0, 0, 7*(s.rev-1))))
		}
	}
}

// take books a free slot of the clinician, in state B or T.
func (w *world) take(r *rand.Rand, prov, state string) *slot {
	all := w.free[prov]
	for {
		if s := all[r.IntN(len(all))]; s.state == "F" {
			s.state, s.rev = state, s.rev+1
			return s
		}
	}
}

// appointments makes a patient's visits: past ones, the one at the reception
// just now, and those to come.
func (w *world) appointments(p *person) {
	r := p.r
	past := 3 + r.IntN(8)
	for range past {
		start := w.at(workday(2+r.IntN(1400)), 9+r.IntN(6), r.IntN(2)*30)
		if start.Before(p.registered) || start.After(p.end()) {
			continue
		}
		state := pick(r, []string{"DONE", "DONE", "DONE", "DONE", "DONE", "DONE", "CANX", "NOSH"})
		if p.english && state == "NOSH" {
			state = "DONE"
		}
		w.appointment(p, p.gp, state, start, nil, false)
	}
	if !p.died.IsZero() {
		return
	}
	for _, next := range w.coming(p) {
		prov, slotState := p.gp, "B"
		if next == "HOLD" || next == "REQ" {
			slotState = "T"
		}
		if chance(r, 20) {
			prov = pick(r, clinicians[3:])
		}
		if next == "ARR" {
			w.appointment(p, prov, next, w.at(today, 8, 15), nil, false)
			continue
		}
		s := w.take(r, prov, slotState)
		if next == "CANX" {
			s.state = "F" // given back
		}
		w.appointment(p, prov, next, s.start, s.id, next == "REQ" || next == "HOLD")
	}
}

// coming says in which states the patient's next appointments are.
func (w *world) coming(p *person) []string {
	switch p.key {
	case "amy-shaw":
		return []string{"CONF", "REQ", "CANX"}
	case "lena-shaw":
		return []string{"HOLD", "CONF"}
	case "max-shaw":
		return []string{"REQ"}
	case "tom-shaw":
		return []string{"ARR", "CONF"}
	}
	var states []string
	for _, s := range []struct {
		state   string
		percent int
	}{{"CONF", 55}, {"REQ", 22}, {"HOLD", 10}, {"CANX", 15}, {"ARR", 5}} {
		if chance(p.r, s.percent) {
			states = append(states, s.state)
		}
	}
	return states
}

func (w *world) appointment(p *person, prov, state string, start time.Time, slot any, fromPortal bool) {
	r := p.r
	made := past(start.AddDate(0, 0, -3-r.IntN(25)))
	if start.After(today) {
		made = today.Add(-time.Duration(1+r.IntN(400)) * time.Hour)
	}
	kind := pick(r, visitTypes)
	loc := roomOf(prov)
	if kind == "Videokonsultasjon" {
		loc = "video"
	}
	doc := bson.D{{Key: "_id", Value: w.oid(made)}, {Key: "pid", Value: p.id}, {Key: "prov", Value: prov}, {Key: "loc", Value: loc}}
	doc = field(doc, "slot", slot)
	doc = append(doc, bson.E{Key: "state", Value: state}, bson.E{Key: "type", Value: kind})
	doc = field(doc, "why", pick(r, []string{"", "Hodepine over lengre tid", "Årskontroll", "Øyeinfeksjon", "Blodtrykkskontroll", "Vondt i øret", "Reisevaksine", "Attest"}))
	doc = append(doc, bson.E{Key: "start", Value: start}, bson.E{Key: "mins", Value: pick(r, []int32{15, 20, 30, 30, 30, 45})}, bson.E{Key: "made", Value: made})
	if fromPortal {
		doc = field(doc, "note_pt", pick(r, []string{"Helst om morgenen", "Kan komme på kort varsel", "Trenger tolk (fransk)", ""}))
	}
	if chance(r, 25) {
		doc = append(doc, bson.E{Key: "note_int", Value: "husk egenandel"})
	}
	if state == "CANX" {
		doc = field(doc, "canx_why", pick(r, []string{"Syk", "Passer ikke likevel", "Legen er borte"}))
	}
	rev, upd := 1, made
	switch state {
	case "DONE":
		rev, upd = 4, start.Add(40*time.Minute)
	case "ARR":
		rev, upd = 3, start
	case "CANX", "NOSH", "CONF":
		rev, upd = 2, past(later(made.Add(20*time.Hour), start.AddDate(0, 0, -2)))
	}
	w.add("appointments", made, stored(doc, rev, upd))
}
