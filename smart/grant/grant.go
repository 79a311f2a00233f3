package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portico-fhir/portico/fhir"
	"github.com/portico-fhir/portico/smart/policy"
	"github.com/portico-fhir/portico/store"
)

const collection = "portico_grants"

// Status says whether a grant is in force.
type Status string

// The statuses.
const (
	Active  Status = "active"
	Revoked Status = "revoked"
)

// Grant is that somebody may act for a patient. Its ID is that of its Consent.
type Grant struct {
	policy.Grant
	Status  Status
	Epoch   int64  // counts changes
	Account string // of the proxy
	By      string // who granted it: a reference, or the id of a client
	// Evidence is what it was granted on, in the words of who granted it.
	Evidence string
	Policy   string // version of the policy that it was granted under
	Made     time.Time
	Used     time.Time // when it was last used, to a day
}

// DefaultUnused is how long a grant is in force without being used.
const DefaultUnused = 2 * 365 * 24 * time.Hour

// Grants keeps grants in a store. All fields are set before the first use; it is then
// safe for concurrent use, and by many processes on one store.
type Grants struct {
	Store store.Store
	// Repository are the resources, not narrowed to anybody: the ages of patients are
	// read from it, and Consents written to it. They are in Store, too.
	Repository fhir.Repository
	Policy     *policy.Policy
	// Location is the zone of the clinic, in which birthdays begin.
	Location *time.Location
	// Unused is how long a grant is in force without being used; 0: DefaultUnused.
	Unused time.Duration
	Now    func() time.Time // nil: time.Now

	remembered remembered
}

// Indexes are those that the collection needs.
func Indexes() []store.Index {
	return []store.Index{
		{Collection: collection, Name: "account", Keys: []store.Key{{Path: "account"}}},
		{Collection: collection, Name: "patient", Keys: []store.Key{{Path: "patient"}}},
	}
}

func (g *Grants) now() time.Time { return store.Now(g.Now) }

// Get gives a grant, in force or not; ok is false when there is none of that id.
func (g *Grants) Get(ctx context.Context, id string) (found Grant, ok bool, err error) {
	raw, err := store.Get(ctx, g.Store, collection, id)
	if err != nil || raw == nil {
		return Grant{}, false, wrap(err)
	}
	found, err = unmarshal(raw)
	return found, err == nil, err
}

func wrap(err error) error {
	if err != nil {
		return fmt.Errorf("grants: %w", err)
	}
	return nil
}

// Live gives what a grant permits now; ok is false when it has no effect. It notes that
// the patient became older, and on which day the grant was used. What it gives is shared
// and read-only.
func (g *Grants) Live(ctx context.Context, id string) (now policy.Effective, ok bool, err error) {
	var mark int64
	m, sole := g.Store.(store.Marker)
	if sole {
		mark, sole = m.Mark() // before anything is read
	}
	if sole {
		if e, ok := g.remembered.get(id, mark, g.now()); ok {
			return e, true, nil
		}
	}
	found, ok, err := g.Get(ctx, id)
	if err != nil || !ok {
		return policy.Effective{}, false, err
	}
	at := g.now()
	now, ok, err = g.effective(ctx, found, true)
	if err == nil && ok && sole {
		g.remembered.put(id, memory{mark: mark, from: at, until: g.until(found, now), effective: now})
	}
	return now, ok, err
}

// until is when what a grant permits must be looked at anew at the latest: when it may
// become less, and when a use is to be noted.
func (g *Grants) until(found Grant, now policy.Effective) time.Time {
	until := found.Used.Add(min(noteAfter, g.unused()))
	if !now.Until.IsZero() && now.Until.Before(until) {
		until = now.Until
	}
	return until
}

// noteAfter is how long after a use that was noted the next one is.
const noteAfter = 24 * time.Hour

// effective gives what a grant permits now; with note, what was seen on the way is
// kept.
func (g *Grants) effective(ctx context.Context, found Grant, note bool) (policy.Effective, bool, error) {
	now := g.now()
	if found.Status != Active || now.Sub(found.Used) >= g.unused() {
		return policy.Effective{}, false, nil
	}
	subject, err := g.subject(ctx, found.Patient)
	var refusal *fhir.Error
	switch {
	case errors.As(err, &refusal):
		return policy.Effective{}, false, nil // no patient, nothing to act for
	case err != nil:
		return policy.Effective{}, false, err
	}
	band := g.Policy.BandOf(found.Grant, subject.Subject, now, g.Location)
	e, ok := g.Policy.Effective(found.Grant, subject.Subject, now, g.Location)
	if note && (band > found.Crossed || (ok && now.Sub(found.Used) >= noteAfter)) {
		if err := g.note(ctx, found, band, now); err != nil {
			return policy.Effective{}, false, err
		}
	}
	return e, ok, nil
}

func (g *Grants) unused() time.Duration {
	if g.Unused == 0 {
		return DefaultUnused
	}
	return g.Unused
}

// note keeps a band that the patient came into, which is never left again, and the day
// of a use. That another one noted something first is no fault: the next use notes
// what is still to be noted.
func (g *Grants) note(ctx context.Context, found Grant, band policy.Band, now time.Time) error {
	set := []store.Field{{Path: "used", Value: store.V(now)}}
	if band > found.Crossed {
		set = append(set, store.Field{Path: "crossed", Value: store.V(int64(band))})
	}
	err := g.Store.Apply(ctx, []store.Op{{
		Kind: store.Update, Collection: collection, ID: store.String(found.ID), Set: set,
		If: store.And{
			store.Eq{Path: "epoch", Value: store.V(found.Epoch)},
			store.Eq{Path: "crossed", Value: store.V(int64(found.Crossed))},
		},
	}})
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return wrap(err)
}

// of gives the grants of an account, in force or not.
func (g *Grants) of(ctx context.Context, account string) ([]Grant, error) {
	var all []Grant
	q := store.Query{Collection: collection, Where: store.Eq{Path: "account", Value: store.String(account)}, Limit: maxGrants}
	for raw, err := range g.Store.Find(ctx, q) {
		if err != nil {
			return nil, wrap(err)
		}
		found, err := unmarshal(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, found)
	}
	return all, nil
}

// maxGrants bounds how many grants one account is looked up with.
const maxGrants = 200
