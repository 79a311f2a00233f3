package guard

import (
	"context"
	"sync"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
)

// treating remembers whom practitioners treat, for a while.
type treating struct {
	mu    sync.Mutex
	known map[fhir.Key]*treatment
}

// treatment is whom one practitioner treats. Its lock is held while that is found
// out, so that it is but once.
type treatment struct {
	mu  sync.Mutex
	at  time.Time
	set *patients
}

const (
	freshFor   = 5 * time.Second
	maxTreated = 1000 // practitioners remembered
)

// of gives the entry of a practitioner, which may be out of date or empty.
func (t *treating) of(actor fhir.Key) *treatment {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.known[actor]; e != nil {
		return e
	}
	if t.known == nil || len(t.known) >= maxTreated {
		t.known = make(map[fhir.Key]*treatment)
	}
	e := new(treatment)
	t.known[actor] = e
	return e
}

// treats gives the patients whom a practitioner treats now.
func (r *Repository) treats(ctx context.Context, actor fhir.Key) (*patients, error) {
	if actor.Type != "Practitioner" && actor.Type != "PractitionerRole" || actor.ID == "" {
		return new(patients), nil
	}
	e := r.treating.of(actor)
	e.mu.Lock()
	defer e.mu.Unlock()
	fresh := r.Fresh
	if fresh == 0 {
		fresh = freshFor
	}
	now := r.now()
	if age := now.Sub(e.at); e.set != nil && age >= 0 && age < fresh {
		return e.set, nil
	}
	set, err := r.findTreated(ctx, actor, now)
	if err != nil {
		return nil, err
	}
	e.at, e.set = now, set
	return set, nil
}

// findTreated searches for whom the practitioner treats, also in a role.
func (r *Repository) findTreated(ctx context.Context, actor fhir.Key, now time.Time) (*patients, error) {
	rel := &r.Policy.Relationship
	names := []fhir.Key{actor}
	if actor.Type == "Practitioner" {
		err := r.tied(ctx, rel.Roles, names, now, func(res fhir.Resource) error {
			names = append(names, res.Key)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	set := &patients{ids: make(map[string]bool)}
	for _, tie := range rel.By {
		rule := r.Policy.Record[tie.Search]
		err := r.tied(ctx, tie, names, now, func(res fhir.Resource) error {
			if rule.Self {
				set.ids[res.ID] = true
			} else {
				r.gather(set.ids, res.Body, rule)
			}
			if len(set.ids) > rel.Patients {
				return fhir.Errorf(fhir.CodeTooCostly, "", "This practitioner treats more than %d patients, which is more than can be told apart here.", rel.Patients)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return set, nil
}

// gather adds the patients that a resource is about.
func (r *Repository) gather(ids map[string]bool, body []byte, rule *policy.Rule) {
	follow(body, rule.Path(), func(reference []byte) bool {
		if id, ok := patientOf(reference, r.Base, rule.Versions); ok {
			ids[id] = true
		}
		return true
	})
}

// tied calls found with each hit of a tie.
func (r *Repository) tied(ctx context.Context, tie policy.Tie, names []fhir.Key, now time.Time, found func(fhir.Resource) error) error {
	where, ok := r.tie(tie, names, now)
	if !ok {
		return nil
	}
	q := &fhir.Query{Type: tie.Search, Where: where, Count: tiePage}
	for {
		page, err := r.Inner.Search(ctx, q)
		if err != nil {
			return err
		}
		for _, res := range page.Resources {
			if err := found(res); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}

const tiePage = 500

// tie gives the condition of a tie; ok is false when it cannot be asked here.
func (r *Repository) tie(tie policy.Tie, names []fhir.Key, now time.Time) (where fhir.Expr, ok bool) {
	var who fhir.Or
	for _, name := range tie.Who {
		p := r.param(tie.Search, name)
		if p == nil {
			continue
		}
		for _, key := range names {
			who = append(who, fhir.Term{Param: p, Value: fhir.ReferenceValue{Type: key.Type, ID: key.ID}})
		}
	}
	if len(who) == 0 {
		return nil, false
	}
	where = flat(who)
	if tie.When != "" {
		p := r.param(tie.Search, tie.When)
		if p == nil {
			return nil, false
		}
		window := r.Policy.Relationship.Window
		where = flat(where, since(p, fhir.GE, now.Add(-window)), since(p, fhir.LE, now.Add(window)))
	}
	if tie.Only != "" {
		only, ok := r.filter(tie.Search, tie.Only)
		if !ok {
			return nil, false
		}
		where = flat(where, only)
	}
	return where, true
}

// since compares a date with a moment.
func since(p *fhir.SearchParam, prefix fhir.Prefix, at time.Time) fhir.Expr {
	d, err := fhir.ParseDate(at.UTC().Format("2006-01-02T15:04:05Z"))
	if err != nil {
		return fhir.Or{} // beyond the years that FHIR has
	}
	return fhir.Term{Param: p, Prefix: prefix, Value: fhir.DateValue{Date: d}}
}
