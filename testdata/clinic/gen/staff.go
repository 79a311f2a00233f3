package main

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// clinicians have a diary; the first three are general practitioners whom
// patients can have as their own.
var clinicians = []string{"dr-okafor", "dr-lindt", "dr-haugen", "nurse-solberg", "bio-nguyen"}

// opened is when the clinic began to use its EHR.
var opened = time.Date(2017, time.January, 9, 8, 0, 0, 0, time.UTC)

func (w *world) staff() {
	for i, s := range []struct {
		id, role, roleName, title, last, first, hpr, account string
		left                                                 bool
	}{
		{"dr-okafor", "DR", "Fastlege", "Dr.", "Okafor", "Ngozi", "900000011", "dr.okafor", false},
		{"dr-lindt", "DR", "Fastlege", "Dr.", "Lindt", "Jürgen", "900000029", "dr.lindt", false},
		{"dr-haugen", "DR", "Fastlege", "Dr.", "Haugen", "Åse", "900000037", "dr.haugen", false},
		{"nurse-solberg", "NU", "Sykepleier", "", "Solberg", "Bjørn", "900000045", "nurse.solberg", false},
		{"bio-nguyen", "BIO", "Bioingeniør", "", "Nguyễn", "Linh", "900000053", "bio.nguyen", false},
		{"desk-berg", "ADM", "Helsesekretær", "", "Berg", "Siv", "", "desk.berg", false},
		{"admin", "ADM", "Systemansvarlig", "", "Ødegård", "Iñaki", "", "admin", false},
		{"dr-moe", "DR", "Fastlege", "Dr.", "Moe", "Håkon", "900000061", "", true},
	} {
		made := opened.AddDate(0, i*5, i)
		doc := bson.D{{Key: "_id", Value: s.id}, {Key: "role", Value: s.role}, {Key: "role_name", Value: s.roleName}}
		name := bson.D{{Key: "last", Value: s.last}, {Key: "first", Value: s.first}}
		doc = append(doc, bson.E{Key: "name", Value: field(name, "title", s.title)})
		doc = field(doc, "hpr", s.hpr)
		doc = field(doc, "phone", "+47 00 20 10 "+string('1'+rune(i))+"0")
		doc = field(doc, "email", s.id+"@clinic.example.org")
		doc = field(doc, "account", s.account)
		rev, upd := 2, made.AddDate(1, 0, 0)
		if s.left {
			doc = append(doc, bson.E{Key: "inactive", Value: true})
			rev, upd = 3, time.Date(2023, time.August, 31, 14, 0, 0, 0, time.UTC)
		}
		w.add("staff", made, stored(append(doc, bson.E{Key: "desk_no", Value: int32(100 + i)}), rev, upd))
	}
}

func (w *world) locations() {
	place := func(id, name, kind, site string, addr bson.D) {
		doc := bson.D{{Key: "_id", Value: id}, {Key: "name", Value: name}, {Key: "kind", Value: kind}}
		doc = field(doc, "site", site)
		if addr != nil {
			doc = append(doc, bson.E{Key: "addr", Value: addr}, bson.E{Key: "phone", Value: "+47 00 20 10 00"})
		}
		w.add("locations", opened, stored(doc, 1, opened))
	}
	address := func(l1, l2, zip, city, cc string) bson.D {
		doc := field(bson.D{{Key: "l1", Value: l1}}, "l2", l2)
		return append(doc, bson.E{Key: "zip", Value: zip}, bson.E{Key: "city", Value: city}, bson.E{Key: "cc", Value: cc})
	}
	place("grunerlokka", "Grünerløkka legesenter", "SITE", "", address("Øvre Sagbakke 4", "2. etasje", "0555", "Oslo", "NO"))
	place("room-1", "Kontor 1", "ROOM", "grunerlokka", nil)
	place("room-2", "Kontor 2", "ROOM", "grunerlokka", nil)
	place("room-3", "Kontor 3", "ROOM", "grunerlokka", nil)
	place("lab", "Laboratoriet", "ROOM", "grunerlokka", nil)
	place("video", "Videokonsultasjon", "VIRT", "", nil) // no code of location-physical-type fits
}

// roomOf is where a clinician works.
func roomOf(clinician string) string {
	switch clinician {
	case "dr-okafor":
		return "room-1"
	case "dr-lindt":
		return "room-2"
	case "dr-haugen":
		return "room-3"
	}
	return "lab"
}
