package main

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// relatives registers who acts for whom: one document per relative and patient.
func (w *world) relatives() {
	made := day(2021, time.September, 6).Add(10 * time.Hour)
	put := func(p *person, id any, rel, last, first, mobile, account, since, until string) {
		doc := bson.D{
			{Key: "_id", Value: id},
			{Key: "pid", Value: p.id},
			{Key: "rel", Value: rel},
			{Key: "name", Value: bson.D{{Key: "last", Value: last}, {Key: "first", Value: first}}},
		}
		doc = field(field(doc, "mobile", mobile), "account", account)
		if account != "" {
			doc = field(doc, "email", account+"@example.org")
		}
		doc = field(field(doc, "since", since), "until", until)
		if until != "" {
			doc = append(doc, bson.E{Key: "inactive", Value: true})
		}
		key := fmt.Sprint(id)
		if oid, ok := id.(bson.ObjectID); ok {
			key = oid.Hex()
		}
		if until == "" {
			p.relatives = append(p.relatives, key)
		}
		w.add("relatives", made, stored(doc, 1+len(until)/10, made.AddDate(0, 2, 0)))
		made = made.Add(53 * time.Hour)
	}
	for _, p := range w.people {
		switch p.key {
		case "lena-shaw", "max-shaw":
			put(p, "tom-shaw-for-"+p.key[:len(p.key)-len("-shaw")], "FAR", "Shaw", "Thomas", "+47 00 83 05 18", "tom.shaw", "2021-09-06", "")
			continue
		case "amy-shaw", "tom-shaw":
			continue
		}
		last, age := pick(p.r, families), p.ageAt(today)
		switch {
		case age < 16:
			put(p, w.oid(made), "MOR", last, pick(p.r, women), phone(p.r), "", "2021-09", "")
			if chance(p.r, 50) {
				put(p, w.oid(made), "FAR", last, pick(p.r, men), phone(p.r), "", "2021-09", "")
			}
		case age < 21:
			put(p, w.oid(made), "MOR", last, pick(p.r, women), phone(p.r), "", "2021-09-14", p.born.AddDate(18, 0, 0).Format(time.DateOnly))
		case age > 80:
			put(p, w.oid(made), "FULLM", last, pick(p.r, women), phone(p.r), "", "2023", "")
		case age > 60 && chance(p.r, 25):
			put(p, w.oid(made), "NABO", last, pick(p.r, men), phone(p.r), "", "", "") // a neighbour: in no code table
		}
	}
}
