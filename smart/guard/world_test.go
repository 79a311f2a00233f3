package guard_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/search"
)

const base = "https://clinic.example/fhir"

// now is the present of the tests.
var now = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

// world is a clinic of made-up resources that refer to each other at random.
type world struct {
	rnd     *rand.Rand
	bodies  map[fhir.Key]map[string]any
	ids     map[fhir.Type][]string
	keys    []fhir.Key
	patient []string
	version map[fhir.Key]string // of what is not at version 1
	now     time.Time
	release bool // results are out when they have the moment of it
	treats  map[string]map[string]bool
}

// newWorld makes n patients, and others resources of each other type.
func newWorld(seed uint64, n, others int) *world {
	w := &world{now: now, rnd: rand.New(rand.NewPCG(seed, 1)), bodies: make(map[fhir.Key]map[string]any), ids: make(map[fhir.Type][]string)}
	for i := range n {
		w.patient = append(w.patient, fmt.Sprintf("p%d", i))
	}
	w.ids["Patient"] = w.patient
	w.ids["Practitioner"] = numbered("d", 12)
	w.ids["PractitionerRole"] = numbered("role", 12)
	w.ids["RelatedPerson"] = numbered("r", n)
	for _, t := range fhir.Types() {
		if w.ids[t] == nil {
			w.ids[t] = numbered(strings.ToLower(string(t))+"-", others)
		}
	}
	for _, t := range fhir.Types() {
		for _, id := range w.ids[t] {
			key := fhir.Key{Type: t, ID: id}
			w.keys = append(w.keys, key)
			w.bodies[key] = w.resource(key)
		}
	}
	return w
}

func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return ids
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// any picks a resource; and among patients mostly a few who have much of everything.
func (w *world) any(t fhir.Type) string {
	switch {
	case t == "Patient" && w.rnd.IntN(4) > 0:
		return pick(w.rnd, w.patient[:8])
	case len(w.ids[t]) == 0:
		return "never-was"
	}
	return pick(w.rnd, w.ids[t])
}

// resource makes up a resource: its references by the search parameters of its type,
// some codes, some dates.
func (w *world) resource(key fhir.Key) map[string]any {
	body := map[string]any{"resourceType": string(key.Type), "id": key.ID}
	for _, p := range search.Params(key.Type) {
		path, ok := simple(key.Type, p)
		if !ok || w.rnd.IntN(3) == 0 || key.Type == "SearchParameter" { // those are read by the server itself
			continue
		}
		switch p.Type {
		case fhir.ParamReference:
			put(body, path, w.references(key.Type, p))
		case fhir.ParamDate:
			at := now.AddDate(0, 0, w.rnd.IntN(160)-100).Add(time.Hour) // never at the very end of the window
			if path[len(path)-1] == "period" || path[len(path)-1] == "performedPeriod" {
				put(body, path, map[string]any{"start": at.Format(time.RFC3339)})
			} else {
				put(body, path, at.Format(time.RFC3339))
			}
		}
	}
	switch key.Type {
	case "Patient":
		body["gender"] = pick(w.rnd, []string{"male", "female"})
		body["name"] = []any{map[string]any{"family": pick(w.rnd, []string{"Shaw", "Okafor", "Lindt"})}}
		body["telecom"] = []any{map[string]any{"system": "phone", "value": "555-" + key.ID}}
		body["birthDate"] = pick(w.rnd, []string{"1980-02-03", "2010-01-01", "2019-07-08"})
	case "Observation", "Condition", "DocumentReference":
		body["category"] = []any{concept(pick(w.rnd, []string{"laboratory", "vital-signs", "survey", "imaging", "social-history"}))}
		body["code"] = concept(pick(w.rnd, []string{"a", "b", "c"}))
	case "Appointment":
		body["status"] = pick(w.rnd, []string{"booked", "fulfilled", "noshow", "proposed", "pending", "cancelled"})
	case "CareTeam", "ServiceRequest":
		body["status"] = pick(w.rnd, []string{"active", "inactive"})
	}
	return body
}

func concept(code string) map[string]any {
	return map[string]any{"coding": []any{map[string]any{"system": "http://x.example", "code": code}}}
}

// simple gives the members that a parameter looks at, when that is easily said.
func simple(t fhir.Type, p *fhir.SearchParam) ([]string, bool) {
	for alt := range strings.SplitSeq(p.Expression, "|") {
		alt, ok := strings.CutPrefix(strings.TrimSpace(alt), string(t)+".")
		alt, _, _ = strings.Cut(alt, ".where(resolve()")
		if !ok || strings.ContainsAny(alt, "( ") {
			continue
		}
		path := strings.Split(alt, ".")
		if t == "Consent" && alt == "source" {
			path = []string{"sourceReference"} // a choice: in JSON the name says which
		}
		if p.Type == fhir.ParamDate && (t == "Appointment" || t == "Encounter" || t == "CareTeam") {
			return path, true
		}
		return path, p.Type == fhir.ParamReference
	}
	return nil, false
}

// lists are elements that repeat and hold others.
var lists = []string{"link", "participant", "entity", "agent"}

// put sets the value at a path; values are one or several.
func put(o map[string]any, path []string, value any) {
	values, several := value.([]any)
	for _, name := range path[:len(path)-1] {
		switch next := o[name].(type) {
		case map[string]any:
			o = next
		case []any:
			o = next[0].(map[string]any)
		case nil:
			fresh := make(map[string]any)
			o[name] = fresh
			if slices.Contains(lists, name) {
				all := []any{fresh}
				for range len(values) - 1 {
					all = append(all, map[string]any{path[len(path)-1]: values[1]})
				}
				o[name] = all
			}
			o = fresh
		}
	}
	last := path[len(path)-1]
	switch {
	case o[last] != nil:
	case several && len(path) > 1:
		o[last] = values[0]
	default:
		o[last] = value
	}
}

// references makes up one or a few References.
func (w *world) references(of fhir.Type, p *fhir.SearchParam) any {
	if w.rnd.IntN(4) > 0 {
		return w.reference(of, p)
	}
	return []any{w.reference(of, p), w.reference(of, p)}
}

func (w *world) reference(of fhir.Type, p *fhir.SearchParam) map[string]any {
	t := fhir.Type("Patient")
	if (!slices.Contains(p.Targets, t) || w.rnd.IntN(4) == 0) && len(p.Targets) > 0 {
		t = pick(w.rnd, p.Targets)
	}
	ref := string(t) + "/" + w.any(t)
	odd := w.rnd.IntN(30)
	if odd > 1 && slices.Contains([]fhir.Type{"Communication", "CommunicationRequest", "Device"}, of) {
		// What is no reference counts as none in a total, though it is not shown.
		odd = 30
	}
	switch odd {
	case 0:
		ref = base + "/" + ref
	case 1:
		ref = "https://elsewhere.example/fhir/" + ref
	case 2:
		ref = "#" + ref
	case 3:
		ref = strings.ToLower(ref)
	case 4:
		ref = "/" + ref
	case 5:
		return map[string]any{"identifier": map[string]any{"system": "urn:x", "value": ref}, "display": ref}
	case 6:
		ref += "/more"
	}
	return map[string]any{"reference": ref}
}

// json gives the body of a resource.
func (w *world) json(key fhir.Key) []byte {
	// The type and the id come first, as a client would write them.
	rest := maps.Clone(w.bodies[key])
	delete(rest, "resourceType")
	delete(rest, "id")
	b, err := json.Marshal(rest)
	if err != nil {
		panic(err)
	}
	head := fmt.Sprintf(`{"resourceType":%q,"id":%q`, key.Type, key.ID)
	if len(rest) == 0 {
		return []byte(head + "}")
	}
	return []byte(head + "," + string(b[1:]))
}

// worldOf reads all resources of some types that a repository has.
func worldOf(t testing.TB, repo fhir.Repository, types []fhir.Type) *world {
	t.Helper()
	w := &world{rnd: rand.New(rand.NewPCG(1, 1)), bodies: make(map[fhir.Key]map[string]any), ids: make(map[fhir.Type][]string), version: make(map[fhir.Key]string)}
	for _, typ := range types {
		q := &fhir.Query{Type: typ, Count: 1000}
		for {
			page, err := repo.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, res := range page.Resources {
				var body map[string]any
				if err := json.Unmarshal(res.Body, &body); err != nil {
					t.Fatal(err)
				}
				w.keys = append(w.keys, res.Key)
				w.bodies[res.Key], w.version[res.Key] = body, res.Version
				w.ids[typ] = append(w.ids[typ], res.ID)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	w.patient = w.ids["Patient"]
	return w
}
