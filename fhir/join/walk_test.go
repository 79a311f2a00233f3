package join

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/fhir/record"
	"github.com/portico-fhir/portico/fhir/search"
	"github.com/portico-fhir/portico/store/memory"
)

// pages goes through all pages of a search and gives what is on each. With between, that
// is called behind each page.
func pages(ctx context.Context, r fhir.Repository, q *fhir.Query, between func()) ([]fhir.Page, error) {
	var all []fhir.Page
	for {
		page, err := r.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		if len(page.Resources) > q.Count {
			return nil, fmt.Errorf("%d resources on a page of %d", len(page.Resources), q.Count)
		}
		all = append(all, page)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all, nil
		}
		if len(all) > 1000 {
			return nil, fmt.Errorf("the pages have no end")
		}
		if between != nil {
			between()
		}
	}
}

func TestWalksFindWhatANaiveEvaluatorSaysOnceEach(t *testing.T) {
	t.Parallel()
	walked, found, empty := 0, 0, 0
	for seed := range uint64(2000) {
		d := newDice(seed)
		d.dense = true
		w, f := genWorld(d)
		f.short = d.between(0, 2)
		q := genQuery(d)
		q.Total = false
		q.Type = oneOf(d, []fhir.Type{"Observation", "Encounter", "QuestionnaireResponse", "Patient"})
		p := oneOf(d, paramsOf(q.Type))
		target := oneOf(d, p.targets)
		where := fhir.And{fhir.Chain{Param: p.SearchParam, Target: target, Where: fhir.Or{genExpr(d, target, 0), genExpr(d, target, 0)}}}
		if d.coin() {
			where = append(where, fhir.Not{Expr: genExpr(d, q.Type, 0)})
		}
		q.Where, q.Include = where, genIncludes(d, q.Type)
		var inner fhir.Repository = f
		if seed%20 == 0 {
			inner = recorded(t, f)
		}
		all, err := pages(t.Context(), &Repository{Inner: inner, Base: base, few: d.between(1, 2)}, q, nil)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		var got, want []string
		for i, page := range all {
			var matches []*thing
			for _, res := range page.Resources {
				got = append(got, res.String())
				matches = append(matches, w[slices.IndexFunc(w, func(x *thing) bool { return x.key == res.Key })])
			}
			var keys []string
			for _, res := range page.Included {
				keys = append(keys, res.String())
			}
			if wanted := w.included(matches, q.Include); !slices.Equal(keys, wanted) {
				t.Fatalf("seed %d: page %d includes %v, want %v", seed, i, keys, wanted)
			}
			if len(page.Resources) == 0 && len(all) > 1 {
				empty++
			}
			if page.Next != "" && page.Next[0] == byWalking {
				walked++
			}
		}
		for _, x := range w {
			if x.key.Type == q.Type && w.holds(x, q.Where) {
				want = append(want, x.key.String())
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: got %v, want %v\n%#v", seed, got, want, q.Where)
		}
		found += len(got)
	}
	t.Logf("%d pages ended in a walk, %d found, %d empty pages", walked, found, empty)
	if walked < 100 || found < 1000 {
		t.Errorf("%d pages ended in a walk and %d were found: that shows little", walked, found)
	}
}

// recorded keeps the resources of f as records.
func recorded(t *testing.T, f *fake) *record.Repository {
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	records := &record.Repository{Store: st, Base: base}
	var bodies []string
	for _, res := range f.all() {
		bodies = append(bodies, string(res.Body))
	}
	put(t, records, bodies...)
	return records
}

// hospital has patients called a, b or c and their observations.
type hospital struct {
	*fake
	dice
	label map[string]string // of patients
	of    map[string]string // the patient of an observation
	next  int
}

func newHospital(d dice, patients, observations int) *hospital {
	h := &hospital{&fake{resources: make(map[fhir.Type][]fhir.Resource)}, d, make(map[string]string), make(map[string]string), 0}
	for range patients {
		h.patient()
	}
	for range observations {
		h.observation()
	}
	return h
}

func (h *hospital) set(typ fhir.Type, id, rest string) {
	h.remove(typ, id)
	h.put(fhir.Resource{Key: fhir.Key{Type: typ, ID: id}, Body: fmt.Appendf(nil, `{"resourceType":%q,"id":%q%s}`, typ, id, rest)})
}

func (h *hospital) remove(typ fhir.Type, id string) {
	h.resources[typ] = slices.DeleteFunc(h.resources[typ], func(r fhir.Resource) bool { return r.ID == id })
}

func (h *hospital) id() string {
	h.next++
	return fmt.Sprintf("%03d-%d", h.IntN(1000), h.next)
}

func (h *hospital) patient() { h.call(h.id(), oneOf(h.dice, []string{"a", "a", "b"})) }

func (h *hospital) call(id, label string) {
	h.label[id] = label
	h.set("Patient", id, `,"identifier":[{"value":"`+label+`"}]`)
}

func (h *hospital) observation() {
	id, patient := h.id(), oneOf(h.dice, h.resources["Patient"]).ID
	h.of[id] = patient
	h.set("Observation", id, `,"subject":{"reference":"Patient/`+patient+`"}`)
}

// change lets somebody write, and notes which observations and patients are not what they were.
func (h *hospital) change(touched map[string]bool) {
	patient, observation := oneOf(h.dice, h.resources["Patient"]).ID, oneOf(h.dice, h.resources["Observation"]).ID
	switch h.IntN(5) {
	case 0:
		h.patient()
	case 1:
		h.observation()
	case 2:
		touched[patient] = true
		h.call(patient, oneOf(h.dice, []string{"a", "b"}))
	case 3:
		touched[patient] = true
		delete(h.label, patient)
		h.remove("Patient", patient)
	case 4:
		touched[observation] = true
		delete(h.of, observation)
		h.remove("Observation", observation)
	}
}

func TestWalksShowEachOnceWhileOthersWrite(t *testing.T) {
	t.Parallel()
	p, _ := search.Lookup("Observation", "patient")
	identifier, _ := search.Lookup("Patient", "identifier")
	walked := 0
	for seed := range uint64(150) {
		h := newHospital(newDice(seed), 30, 60)
		before, touched := make(map[string]bool), make(map[string]bool)
		for id, patient := range h.of {
			before[id] = h.label[patient] == "a"
		}
		where := fhir.Chain{Param: p, Target: "Patient", Where: fhir.Term{Param: identifier, Value: fhir.TokenValue{Code: "a", AnySystem: true}}}
		q := &fhir.Query{Type: "Observation", Where: where, Count: h.between(1, 9)}
		all, err := pages(t.Context(), &Repository{Inner: h, Base: base, few: h.between(1, 5)}, q, func() {
			for range h.between(0, 3) {
				h.change(touched)
			}
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		count := make(map[string]int)
		for _, page := range all {
			for _, res := range page.Resources {
				count[res.ID]++
			}
			if page.Next != "" && page.Next[0] == byWalking {
				walked++
			}
		}
		for id, patient := range h.of {
			if known, there := before[id]; !there || touched[id] || touched[patient] {
				continue
			} else if want := map[bool]int{true: 1}[known]; count[id] != want {
				t.Fatalf("seed %d: Observation %s of patient %s came %d times, want %d", seed, id, patient, count[id], want)
			}
		}
	}
	if walked < 100 {
		t.Errorf("%d pages ended in a walk: that shows little", walked)
	}
}

func TestAWalkLooksAtLittleHoweverManyTargets(t *testing.T) {
	t.Parallel()
	for _, patients := range []int{20, 200} {
		h := newHospital(newDice(1), patients, 10*patients)
		r := &Repository{Inner: h, Base: base, Limits: Limits{IDs: 10, Reads: 40}}
		page, err := r.Search(t.Context(), parseSearch(t, r.Describe, "Observation?patient.identifier=a&_count=20"))
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Resources) != 20 || page.Next == "" || len(h.queries) > 8 {
			t.Errorf("%d patients: %d resources, next %q, %d searches", patients, len(page.Resources), page.Next, len(h.queries))
		}
	}
}

// Many patients of whom there is next to nothing are asked for at once, in the order of inner.
func TestAWalkThatLeadsToLittleIsGivenUp(t *testing.T) {
	t.Parallel()
	h := newHospital(newDice(1), 500, 12)
	r := &Repository{Inner: h, Base: base}
	q := parseSearch(t, r.Describe, "Observation?patient.identifier=a&_count=3")
	all, err := pages(t.Context(), r, q, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, page := range all {
		for _, res := range page.Resources {
			got = append(got, res.ID)
		}
	}
	if len(got) < 4 || !slices.IsSorted(got) || all[0].Next[0] != byMerging {
		t.Errorf("got %v, then %q", got, all[0].Next)
	}
	// Nor is it given up where there are too many for that.
	r.Limits = Limits{IDs: 10}
	q.Cursor = ""
	all, err = pages(t.Context(), r, q, nil)
	if err != nil || all[0].Next[0] != byWalking {
		t.Errorf("got %v, then %q", err, all[0].Next)
	}
}

func TestOnlyReferencesToOneAreWalked(t *testing.T) {
	t.Parallel()
	f := newFake(t, ward...)
	for _, tt := range []struct {
		search string
		want   bool
	}{
		{"Observation?patient.name=shaw", true},
		{"Observation?subject:Group.type=person", true},
		{"Observation?encounter:Encounter.status=finished&code=c1", true},
		{"AllergyIntolerance?patient.name=shaw", true},
		{"Patient?organization.name=clinic", true},
		{"Observation?performer:Practitioner.name=okafor", false}, // a list
		{"Appointment?patient.name=shaw", false},                  // below a list
		{"Provenance?agent:Practitioner.name=lindt", false},
		{"Condition?evidence-detail:Observation.code=c1", false},
		{"QuestionnaireResponse?questionnaire.title=mood", false}, // canonicals
		{"Observation?subject:Device.patient=p1", false},          // a Device may have a canonical, too
		{"Observation?patient.name=shaw&_total=accurate", false},
		{"Observation?patient.name=shaw&patient.gender=male", false},
		{"Observation?patient.organization.name=clinic", false},
		{"Observation?patient.name=shaw&_has:Observation:has-member:code=c1", false},
		{"Observation?subject.name=shaw", false}, // of several types
		{"Observation?code=c1", false},
	} {
		r := (&Repository{Inner: f, Base: base}).request()
		if got := r.walk(parseSearch(t, f.Describe, tt.search)) != nil; got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.search, got, tt.want)
		}
	}
}

func TestADamagedPositionOfAWalkIsRefused(t *testing.T) {
	t.Parallel()
	r := &Repository{Inner: newFake(t, ward...), Base: base}
	for _, cursor := range []string{"b1", "w", `w{"ids":1}`} {
		q := parseSearch(t, r.Describe, "Observation?patient.name=shaw")
		q.Cursor = cursor
		if _, err := r.Search(t.Context(), q); code(err) != fhir.CodeInvalid {
			t.Errorf("%q: got %v", cursor, err)
		}
	}
}
