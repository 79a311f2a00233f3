package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// person is a patient as the other documents are made from.
type person struct {
	id         any // ObjectID, or the readable key of a demo person
	key        string
	sex        string
	born       time.Time
	died       time.Time
	gp         string
	registered time.Time
	relatives  []string // ids of relatives who write and book
	r          *rand.Rand

	english                                       bool // is written to in English
	hypertension, diabetes, thyroid, asthma, iron bool
}

// ageAt is the age in years, with its fraction.
func (p *person) ageAt(t time.Time) float64 { return t.Sub(p.born).Hours() / 24 / 365.2425 }

// end is the last moment at which something happens to the patient.
func (p *person) end() time.Time {
	if !p.died.IsZero() {
		return p.died
	}
	return today
}

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func (w *world) patients() {
	w.demoPatients()
	const count = 51
	for i := range count {
		w.dicedPatient(i, i*95/(count-1))
	}
	w.unusualPatients()
}

// demoPatients are the people whom the demo's accounts belong to. Their
// birthdays lie shortly before today, so that their ages hold for most of a year.
func (w *world) demoPatients() {
	for _, d := range []struct {
		id, first, middle, last, called, sex string
		born                                 time.Time
		mobile, account                      string
	}{
		{"amy-shaw", "Amy", "Róisín", "Shaw", "", "F", day(1991, time.May, 12), "+47 00 91 05 12", "amy.shaw"},
		{"tom-shaw", "Thomas", "", "Shaw", "Tom", "M", day(1983, time.May, 18), "+47 00 83 05 18", "tom.shaw"},
		{"lena-shaw", "Lena", "Åshild", "Shaw", "", "F", day(2012, time.May, 20), "+47 00 12 05 20", "lena.shaw"},
		{"max-shaw", "Maximilian", "", "Shaw", "Max", "M", day(2020, time.May, 25), "", ""},
	} {
		p := &person{id: d.id, key: d.id, sex: d.sex, born: d.born, gp: "dr-okafor", english: true, r: dice(d.id)}
		p.registered = later(day(2018, time.February, 5), d.born.AddDate(0, 0, 12))
		p.hypertension, p.thyroid, p.iron = d.id == "tom-shaw", d.id == "amy-shaw", d.id == "amy-shaw"
		p.asthma = d.id == "lena-shaw"
		name := bson.D{{Key: "last", Value: d.last}, {Key: "first", Value: d.first}}
		name = field(field(name, "middle", d.middle), "called", d.called)
		doc := bson.D{
			{Key: "_id", Value: d.id},
			{Key: "nin", Value: nin(p)},
			{Key: "mrn", Value: w.nextMRN()},
			{Key: "name", Value: name},
			{Key: "sex", Value: d.sex},
			{Key: "dob", Value: d.born.Format(time.DateOnly)},
		}
		doc = field(doc, "mobile", d.mobile)
		if d.account != "" {
			doc = field(doc, "email", d.account+"@example.org")
		}
		street := "Toftes gate 29 B"
		if d.id == "amy-shaw" {
			street = "Markveien 7"
		}
		doc = append(doc, bson.E{Key: "addr", Value: bson.A{home(street, "", "0556", "Oslo", "")}}, bson.E{Key: "gp", Value: p.gp})
		doc = field(doc, "account", d.account)
		w.people = append(w.people, p)
		w.add("patients", p.registered, stored(append(doc, bson.E{Key: "balance", Value: 0.0}), 3, day(2026, time.April, 14).Add(9*time.Hour)))
	}
}

// dicedPatient makes patient number i of about the given age.
func (w *world) dicedPatient(i, age int) {
	subject := fmt.Sprint("patient", i)
	w.about(subject)
	r := dice(subject)
	p := &person{sex: "F", r: r, gp: pick(r, []string{"dr-okafor", "dr-lindt", "dr-lindt", "dr-haugen", "dr-haugen"})}
	first := women[i*7%len(women)]
	if i%2 == 1 {
		p.sex, first = "M", men[i*5%len(men)]
	}
	p.born = today.AddDate(-age, 0, -20-r.IntN(300)).Truncate(24 * time.Hour)
	p.registered = later(opened.AddDate(0, 0, r.IntN(1800)), p.born.AddDate(0, 0, 10+r.IntN(20))).Add(time.Duration(9+r.IntN(6)) * time.Hour)
	p.hypertension, p.diabetes = age > 45 && chance(r, 55), age > 38 && chance(r, 30)
	p.thyroid, p.asthma, p.iron = p.sex == "F" && age > 25 && chance(r, 20), age > 4 && chance(r, 18), chance(r, 15)
	oid := w.oid(p.registered)
	p.id, p.key = oid, oid.Hex()

	last := families[(i*11+3)%len(families)]
	name := bson.D{{Key: "last", Value: last}, {Key: "first", Value: first}}
	if chance(r, 35) {
		name = field(name, "middle", pick(r, middles))
	}
	if chance(r, 10) {
		name = field(name, "called", strings.ToUpper(first[:1])+".")
	}
	doc := bson.D{{Key: "_id", Value: oid}}
	if !chance(r, 8) {
		doc = field(doc, "nin", nin(p))
	}
	doc = append(doc, bson.E{Key: "mrn", Value: w.nextMRN()}, bson.E{Key: "name", Value: name}, bson.E{Key: "sex", Value: p.sex},
		bson.E{Key: "dob", Value: p.born.Format(time.DateOnly)})
	if age > 11 {
		doc = field(doc, "mobile", phone(r))
		if chance(r, 70) {
			doc = field(doc, "email", fmt.Sprintf("patient%02d@example.org", i))
		}
	}
	doc = append(doc, bson.E{Key: "addr", Value: addresses(r)}, bson.E{Key: "gp", Value: p.gp})
	switch {
	case age == 95:
		p.died = day(2026, time.March, 9).Add(4*time.Hour + 40*time.Minute)
		doc = append(doc, bson.E{Key: "died", Value: p.died}, bson.E{Key: "inactive", Value: true})
	case chance(r, 6):
		doc = append(doc, bson.E{Key: "inactive", Value: true}) // moved away
	case chance(r, 10):
		doc = append(doc, bson.E{Key: "inactive", Value: false})
	}
	doc = append(doc, bson.E{Key: "balance", Value: float64(r.IntN(4)) * 155.5})
	if chance(r, 20) {
		doc = field(doc, "flag_int", "ring før time")
	}
	w.people = append(w.people, p)
	upd := p.registered.AddDate(0, 1+r.IntN(30), r.IntN(28))
	if !p.died.IsZero() {
		upd = p.died.Add(30 * time.Hour)
	}
	w.add("patients", p.registered, stored(doc, 1+r.IntN(9), upd))
}

// unusualPatients are whom every clinic has: little known, duplicate, foreign.
func (w *world) unusualPatients() {
	w.about("unusual")
	made := day(2024, time.October, 3).Add(11 * time.Hour)
	put := func(doc bson.D, rev int) { w.add("patients", made, stored(doc, rev, made.AddDate(0, 3, 2))) }
	id := func() bson.E { made = made.Add(31 * time.Hour); return bson.E{Key: "_id", Value: w.oid(made)} }
	mrn := func() bson.E { return bson.E{Key: "mrn", Value: w.nextMRN()} }
	name := func(last, first string) bson.E {
		return bson.E{Key: "name", Value: field(field(bson.D{}, "last", last), "first", first)}
	}
	put(bson.D{id(), mrn(), name("Løkken", "Borghild"), {Key: "sex", Value: "F"}, {Key: "dob", Value: "1931"}, {Key: "gp", Value: "dr-haugen"}}, 2)
	put(bson.D{id(), mrn(), name("Abdi", ""), {Key: "sex", Value: "M"}, {Key: "dob", Value: "1987-06"}, {Key: "addr", Value: bson.A{}}}, 1)
	put(bson.D{id(), mrn(), name("Ukjent", ""), {Key: "sex", Value: "U"}}, 1)
	put(bson.D{
		id(), mrn(), name("Grønn", "Robin"),
		{Key: "sex", Value: "O"},
		{Key: "dob", Value: "1999-02-28"},
		{Key: "gp", Value: "dr-lindt"},
		{Key: "addr", Value: bson.A{home("Jägerstraße 3", "c/o Weiß", "10117", "Berlin", "DE")}},
	}, 4)
	// The same Borghild, registered twice by mistake and merged since.
	put(bson.D{
		id(), mrn(), name("Løkken", "Borgild"),
		{Key: "sex", Value: "F"},
		{Key: "dob", Value: "1931-01-01"},
		{Key: "merged_into", Value: w.cols["patients"][len(w.cols["patients"])-4].body[0].Value},
	}, 5)
}

func addresses(r *rand.Rand) bson.A {
	town := pick(r, towns)
	first := home(fmt.Sprintf("%s %d", pick(r, streets), 1+r.IntN(90)), "", town.zip, town.city, "")
	if chance(r, 12) {
		first = home(fmt.Sprintf("%s %d", pick(r, streets), 1+r.IntN(90)), fmt.Sprintf("H0%d0%d", 1+r.IntN(6), 1+r.IntN(4)), town.zip, town.city, "")
	}
	all := bson.A{first}
	if chance(r, 10) {
		a := pick(r, abroad)
		second := home(fmt.Sprintf("%s %d", a.street, 1+r.IntN(60)), "", a.zip, a.city, a.cc)
		second[0].Value = "T"
		all = append(all, second)
	}
	return all
}

func home(l1, l2, zip, city, cc string) bson.D {
	doc := field(bson.D{{Key: "kind", Value: "H"}, {Key: "l1", Value: l1}}, "l2", l2)
	doc = append(doc, bson.E{Key: "zip", Value: zip}, bson.E{Key: "city", Value: city})
	return field(doc, "cc", cc)
}

func (w *world) nextMRN() string {
	w.mrn += 7
	return fmt.Sprintf("M%06d", w.mrn)
}

// phone makes a number that cannot be called: none in Norway begins with 0.
func phone(r *rand.Rand) string {
	return fmt.Sprintf("+47 00 %02d %02d %02d", r.IntN(100), r.IntN(100), r.IntN(100))
}

// nin makes a Norwegian identity number of the synthetic series of the tax
// administration: 80 is added to the month, which no real number has.
func nin(p *person) string {
	for serial := p.r.IntN(400); ; serial++ {
		if odd := p.sex == "M"; (serial%2 == 1) != odd {
			continue
		}
		if p.born.Year() >= 2000 && serial < 500 {
			serial += 500
		}
		y, m, d := p.born.Date()
		s := fmt.Sprintf("%02d%02d%02d%03d", d, int(m)+80, y%100, serial)
		k1 := check(s, 3, 7, 6, 1, 8, 9, 4, 5, 2)
		if k1 == 10 {
			continue
		}
		s += fmt.Sprint(k1)
		if k2 := check(s, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2); k2 != 10 {
			return s + fmt.Sprint(k2)
		}
	}
}

func check(digits string, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += w * int(digits[i]-'0')
	}
	return (11 - sum%11) % 11
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
