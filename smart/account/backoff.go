package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/portico-fhir/portico/store"
)

// Attempts are counted in three ways, none of which lets somebody lock another
// out:
//
//   - per login and source: the only one that makes anybody wait. The source is the
//     browser, when the person signed in there before, else the address. So whoever
//     guesses makes himself wait, and those who share his address with a browser
//     that the account does not know;
//   - per login, from unknown browsers anywhere: many failures (a distributed attack)
//     make the first way strict, which leaves each address one free attempt;
//   - per address, from unknown browsers: many failures (one attacker, many logins) do the
//     same, and more of them space out what comes from that address.
//
// What is counted is kept as a hash, since people type passwords into the field for
// the login.

const attempts = "portico_attempts"

const (
	freeAttempts   = 5 // before the first wait
	strictAttempts = 1
	firstWait      = time.Second // doubles with each failure
	strictWait     = 30 * time.Second
	longestWait    = 15 * time.Minute
	manyFailures   = 50  // per hour make the back-off strict
	floodFailures  = 100 // per hour and address space out what comes from there
	floodWait      = time.Second
	forgetAfter    = time.Hour
)

// meter counts attempts of one kind.
type meter struct {
	ID   string    `bson:"_id"`
	N    int64     `bson:"n"`
	Next time.Time `bson:"next"` // not before
	Gone time.Time `bson:"gone"` // forgotten then
	held bool      // there is a document
	was  int64     // N of the document
}

// try is one attempt that was let through.
type try struct {
	a     *Accounts
	own   meter
	wide  []meter // counted only when it fails
	known bool
}

// attempt counts an attempt before its password is looked at, so that many at once
// are no way around; a *WaitError when it comes too early.
func (a *Accounts) attempt(ctx context.Context, login string, from Source, known bool) (*try, error) {
	now := a.now()
	t := &try{a: a, known: known}
	free, wait := int64(freeAttempts), firstWait
	source := "address " + network(from.Address)
	if known {
		source = "device " + from.Device
	} else {
		for i, id := range []string{digest("login", login), digest("address", network(from.Address))} {
			m, err := a.meter(ctx, id, now)
			if err != nil {
				return nil, err
			}
			if m.N >= manyFailures {
				free, wait = strictAttempts, strictWait
			}
			if i == 1 && now.Before(m.Next) {
				return nil, &WaitError{m.Next}
			}
			t.wide = append(t.wide, m)
		}
	}
	for range maxChanges {
		own, err := a.meter(ctx, digest("attempt", login, source), now)
		if err != nil {
			return nil, err
		}
		if now.Before(own.Next) {
			return nil, &WaitError{own.Next}
		}
		own.N++
		if over := own.N - free; over >= 0 {
			own.Next = now.Add(min(wait<<min(over, 20), longestWait))
		}
		own.Gone = now.Add(forgetAfter)
		err = a.count(ctx, own)
		if err == nil {
			own.held, own.was = true, own.N
			t.own = own
			return t, nil
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) {
			return nil, err
		}
	}
	return nil, &WaitError{now.Add(firstWait)} // many attempts at the same moment
}

// network is what one subscriber has: an address of IPv4, 64 bits of IPv6.
func network(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// meter reads a meter, which is at zero when there is none or it is too old.
func (a *Accounts) meter(ctx context.Context, id string, now time.Time) (meter, error) {
	m := meter{ID: id}
	q := store.Query{Collection: attempts, Where: store.Eq{Path: "_id", Value: store.String(id)}, Limit: 1}
	for raw, err := range a.Store.Find(ctx, q) {
		if err == nil {
			err = bson.Unmarshal(raw, &m)
		}
		if err != nil {
			return meter{}, fmt.Errorf("count attempts: %w", err)
		}
		m.held, m.was = true, m.N
		if !now.Before(m.Gone) {
			m.N, m.Next = 0, time.Time{}
		}
	}
	return m, nil
}

// count writes a meter, unless another did since it was read: ErrConflict or
// ErrExists then.
func (a *Accounts) count(ctx context.Context, m meter) error {
	raw, err := bson.Marshal(m)
	if err != nil {
		return fmt.Errorf("count attempts: %w", err)
	}
	op := store.Op{Kind: store.Insert, Collection: attempts, Doc: raw}
	if m.held {
		op.Kind, op.ID, op.If = store.Replace, store.String(m.ID), store.Eq{Path: "n", Value: store.V(m.was)}
	}
	if err := a.Store.Apply(ctx, []store.Op{op}); err != nil {
		return fmt.Errorf("count attempts: %w", err)
	}
	return nil
}

// failed counts a wrong password.
func (t *try) failed(ctx context.Context) error {
	now := t.a.now()
	for _, m := range t.wide {
		m.N++
		m.Gone = now.Add(forgetAfter)
		m.Next = now
		if m.N > floodFailures {
			m.Next = now.Add(floodWait)
		}
		// Of failures at the same moment one is counted: these numbers are large.
		if err := t.a.count(ctx, m); err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
	return nil
}

// undo takes the attempt back: its password was not looked at.
func (t *try) undo(ctx context.Context) error {
	m := t.own
	m.N--
	m.Next = time.Time{}
	err := t.a.count(context.WithoutCancel(ctx), m)
	if errors.Is(err, store.ErrConflict) {
		return nil // another attempt came after it
	}
	return err
}

// succeeded forgets the failures before.
func (t *try) succeeded(ctx context.Context) error {
	err := t.a.Store.Apply(ctx, []store.Op{{Kind: store.Delete, Collection: attempts, ID: store.String(t.own.ID)}})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("count attempts: %w", err)
	}
	return nil
}
