package main

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the clinic's time zone, on machines without one

	"go.mongodb.org/mongo-driver/v2/bson"
)

// today is the clinic's present. Nothing is recorded after it; appointments
// and free slots lie ahead of it.
var today = time.Date(2026, time.June, 1, 6, 0, 0, 0, time.UTC)

// world is the clinic while it is being made up.
type world struct {
	oslo   *time.Location
	people []*person
	free   map[any][]*slot // open slots by clinician, earliest first
	cols   map[string][]document
	mrn    int

	subject string // whom the next ObjectIds are about,
	serial  int    // and how many of them there are
}

// document is one document with the moment at which it was first stored.
type document struct {
	made time.Time
	body bson.D
}

type collection struct {
	name string
	docs []document
}

func newWorld() *world {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		panic(err) // tzdata is linked in
	}
	return &world{oslo: oslo, free: map[any][]*slot{}, cols: map[string][]document{}, mrn: 20410}
}

// dice returns the random numbers of one subject: what is generated for one
// person does not depend on who else there is.
func dice(subject string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(subject))
	return rand.New(rand.NewPCG(20260601, h.Sum64()))
}

// about begins the ObjectIds of a subject: like its dice, they do not depend on
// what else there is.
func (w *world) about(subject string) { w.subject, w.serial = subject, 0 }

// oid makes the ObjectId of a document stored at made.
func (w *world) oid(made time.Time) bson.ObjectID {
	w.serial++
	h := fnv.New32a()
	h.Write([]byte(fmt.Sprint(w.subject, " ", w.serial)))
	tail := h.Sum32()
	var id bson.ObjectID
	binary.BigEndian.PutUint32(id[:4], uint32(made.Unix()))
	copy(id[4:9], "\xc1\x1e\x1c\x00\x07")
	id[9], id[10], id[11] = byte(tail>>16)^byte(tail>>24), byte(tail>>8), byte(tail)
	return id
}

func (w *world) add(name string, made time.Time, doc bson.D) {
	w.cols[name] = append(w.cols[name], document{made, doc})
}

// collections gives the collections by name, each in the order in which its
// documents were stored.
func (w *world) collections() []collection {
	var all []collection
	for name, docs := range w.cols {
		slices.SortStableFunc(docs, func(a, b document) int { return a.made.Compare(b.made) })
		all = append(all, collection{name, docs})
	}
	slices.SortFunc(all, func(a, b collection) int { return strings.Compare(a.name, b.name) })
	return all
}

// at is a moment of the clinic's day.
func (w *world) at(day time.Time, hour, minute int) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, hour, minute, 0, 0, w.oslo).UTC()
}

// workday is the day that lies n days before today, or the Friday before it.
func workday(n int) time.Time {
	d := today.AddDate(0, 0, -n)
	switch d.Weekday() {
	case time.Saturday:
		return d.AddDate(0, 0, -1)
	case time.Sunday:
		return d.AddDate(0, 0, -2)
	}
	return d
}

// past caps a moment at the present.
func past(t time.Time) time.Time {
	if t.After(today) {
		return today
	}
	return t
}

// stored appends what every document of the EHR ends with.
func stored(doc bson.D, rev int, upd time.Time) bson.D {
	return append(doc, bson.E{Key: "rev", Value: int32(rev)}, bson.E{Key: "upd", Value: past(upd)})
}

// field is one member, when its value is there.
func field(doc bson.D, key string, value any) bson.D {
	if value == nil || value == "" {
		return doc
	}
	return append(doc, bson.E{Key: key, Value: value})
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func round(v float64, places int) float64 {
	f := math.Pow10(places)
	return math.Round(v*f) / f
}

func by(role string, id any) bson.D {
	return bson.D{{Key: "role", Value: role}, {Key: "id", Value: id}}
}
