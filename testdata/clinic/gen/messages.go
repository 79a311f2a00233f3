package main

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// topic is a thread between patient and clinic: what each says in turn.
type topic struct {
	subject string
	lines   []string // the patient's side first, then in turn
	file    string
}

var topics = []topic{
	{"Resept", []string{"Hei! Kan jeg få fornyet resepten min?", "Hei, resepten ligger klar på apoteket.", "Tusen takk!"}, ""},
	{"Svar på blodprøve", []string{"Når kan jeg se svaret på blodprøven?", "Svaret er klart nå. Alt ser fint ut – ring gjerne hvis du lurer på noe."}, ""},
	{"Utslett på armen", []string{
		"Jeg har fått et rødt utslett på armen, se bildet. Trenger jeg time?", "Takk for bildet. Prøv kremen i en uke, og ta kontakt hvis det ikke blir bedre.",
		"Det ble bedre med en gang.", "Så bra! Da avslutter vi her.",
	}, "utslett.jpg"},
	{"Sykmelding", []string{"Kan sykmeldingen forlenges til fredag?"}, ""},
	{"Vaksiner før reise", []string{"Vi skal til São Tomé i august. Hvilke vaksiner trenger vi?", "Hepatitt A og gulfeber. Bestill time på vaksinasjonen, helst seks uker før."}, "vaksinekort.pdf"},
	{"Spørsmål om bivirkninger", []string{
		"Jeg er blitt svimmel av de nye tablettene. Er det vanlig?", "Det kan skje de første dagene. Mål blodtrykket hjemme og send oss tallene.",
		"Målt 118/74 og 121/76.", "Fint. Da fortsetter vi med samme dose.",
	}, ""},
}

// toShaw are the threads with those who write English.
var toShaw = []topic{
	{"My prescription", []string{"Hello! Could you renew my prescription, please?", "Hello, it is ready at the pharmacy.", "Thank you!"}, ""},
	{"Rash on my arm", []string{
		"I have a red rash on my arm – see the picture. Do I need an appointment?", "Thank you for the picture. Use the cream for a week, and write again if it does not get better.",
		"It got better at once.", "Good to hear!",
	}, "rash.jpg"},
	{"Side effects", []string{
		"I feel dizzy since I take the new tablets. Is that usual?", "It can be, on the first days. Please measure your blood pressure at home and send us the numbers.",
		"118/74 and 121/76.", "That is fine. Let us go on with the same dose.",
	}, ""},
}

// messages makes the threads of a patient. What was sent in the last days may be unread.
func (w *world) messages(p *person) {
	r := p.r
	threads := r.IntN(3)
	if p.ageAt(today) > 80 && len(p.relatives) == 0 || !p.died.IsZero() {
		return
	}
	switch p.key {
	case "amy-shaw":
		threads = 3
	case "tom-shaw", "max-shaw":
		threads = 1
	case "lena-shaw":
		w.thread(p, topic{"Headaches", []string{
			"I get headaches before every test at school. Does my dad have to know?",
			"Hi Lena. No, this stays between us. Come by at lunch one day if you like.",
		}, ""}, by("patient", p.id), "nurse-solberg", w.at(workday(4), 12, 41))
		w.thread(p, topic{"Lena’s inhaler", []string{"Hello, Lena’s inhaler is nearly empty. Could you prescribe a new one?", "Hello Tom, we will see to it.", "Thanks!"}, ""},
			by("related", "tom-shaw-for-lena"), "dr-okafor", w.at(workday(20), 20, 5))
		return
	}
	for i := range threads {
		at := w.at(workday(1+r.IntN(250)), 8+r.IntN(13), r.IntN(60))
		t := pick(r, topics)
		if p.english {
			t = toShaw[i]
		}
		if p.key == "amy-shaw" {
			at = w.at(workday(2+i*33), 10+i, 7)
		}
		writer := by("patient", p.id)
		if len(p.relatives) > 0 && (p.ageAt(at) < 16 || chance(r, 40)) {
			writer = by("related", w.relativeID(pick(r, p.relatives)))
		} else if p.ageAt(at) < 16 {
			continue
		}
		if at.Before(p.registered) {
			continue
		}
		w.thread(p, t, writer, p.gp, at)
	}
	if p.key == "amy-shaw" {
		w.notice(p)
	}
}

// thread writes one message after the other; each answers the one before.
func (w *world) thread(p *person, t topic, writer bson.D, clinician string, at time.Time) {
	r := p.r
	staff := by("staff", clinician)
	var first, before any
	for i, body := range t.lines {
		if at.After(today) {
			return
		}
		id := w.oid(at)
		if i == 0 {
			first = id
		}
		from, to := writer, bson.A{staff}
		if i%2 == 1 {
			from, to = staff, bson.A{writer}
		} else if chance(r, 15) {
			to = append(to, by("staff", "desk-berg"))
		}
		doc := bson.D{
			{Key: "_id", Value: id},
			{Key: "thread", Value: first},
			{Key: "pid", Value: p.id},
			{Key: "subj", Value: t.subject},
			{Key: "from", Value: from},
			{Key: "to", Value: to},
		}
		doc = field(doc, "reply_to", before)
		doc = append(doc, bson.E{Key: "sent", Value: at}, bson.E{Key: "body", Value: body})
		if i == 0 && t.file != "" {
			doc = append(doc, bson.E{Key: "files", Value: bson.A{w.file(p, t.file, at)}})
		}
		rev, upd := 1, at
		next := at.Add(time.Duration(2+r.IntN(40)) * time.Hour)
		if next.Before(today) && !(i == len(t.lines)-1 && chance(r, 35)) {
			doc = append(doc, bson.E{Key: "read_at", Value: next.Add(-time.Hour)})
			rev, upd = 2, next.Add(-time.Hour)
		}
		w.add("messages", at, stored(doc, rev, upd))
		at, before = next, id
	}
}

func (w *world) file(p *person, name string, at time.Time) bson.D {
	mime := "image/jpeg"
	if name[len(name)-3:] == "pdf" {
		mime = "application/pdf"
	}
	return bson.D{{Key: "gridfs", Value: w.oid(at)}, {Key: "name", Value: name}, {Key: "mime", Value: mime}, {Key: "bytes", Value: int32(40_000 + p.r.IntN(900_000))}}
}

// notice is a message that the clinic begins, to several, and nobody has read.
func (w *world) notice(p *person) {
	at := w.at(day(2026, time.May, 31), 20, 15)
	id := w.oid(at)
	w.add("messages", at, stored(bson.D{
		{Key: "_id", Value: id},
		{Key: "thread", Value: id},
		{Key: "pid", Value: p.id},
		{Key: "subj", Value: "Your next visit"},
		{Key: "from", Value: by("staff", "desk-berg")},
		{Key: "to", Value: bson.A{by("patient", p.id), by("staff", "dr-okafor")}},
		{Key: "sent", Value: at},
		{Key: "body", Value: "Hello Amy! Please measure your blood pressure at home before you come."},
	}, 1, at))
}

// drafts are messages that were begun and never sent: no patient may see them.
func (w *world) drafts() {
	for i, p := range w.people[:2] {
		at := w.at(workday(3+i), 15, 20)
		w.add("messages", at, stored(bson.D{
			{Key: "_id", Value: w.oid(at)},
			{Key: "pid", Value: p.id},
			{Key: "subj", Value: "Utkast"},
			{Key: "from", Value: by("staff", "dr-okafor")},
			{Key: "to", Value: bson.A{}},
			{Key: "body", Value: "Jeg er litt bekymret for"},
		}, 1, at))
	}
}

// housekeeping are collections of the EHR that the chart map does not mention.
func (w *world) housekeeping() {
	w.add("counters", opened, bson.D{{Key: "_id", Value: "mrn"}, {Key: "next", Value: int32(w.mrn + 7)}})
	w.add("counters", opened, bson.D{{Key: "_id", Value: "desk_no"}, {Key: "next", Value: int32(108)}})
	for i := range 25 {
		at := today.Add(-time.Duration(25-i) * 37 * time.Minute)
		w.add("access_log", at, bson.D{
			{Key: "_id", Value: w.oid(at)},
			{Key: "who", Value: clinicians[i%len(clinicians)]},
			{Key: "what", Value: "journal"},
			{Key: "pid", Value: w.people[i].id},
			{Key: "at", Value: at},
		})
	}
}
